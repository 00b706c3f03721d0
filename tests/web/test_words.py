"""Pages speak the deck's language: a catalogue of translations where there is one."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo

from daemons.service import Service
from daemons.settings import BadSettings
from tests.web.conftest import ADDRESS
from web import words
from web.app import create_app


@pytest.fixture
def locale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Keep catalogues in a folder of their own, with one of Brazil's Portuguese."""
    catalog = Catalog(locale="pt_BR")
    catalog.add("Daemons", "Serviços")
    catalog.add(("%(n)s job", "%(n)s jobs"), ("%(n)s tarefa", "%(n)s de tarefas", "%(n)s tarefas"))
    file = tmp_path / "locale" / "pt_BR" / "LC_MESSAGES" / "daemondeck.mo"
    file.parent.mkdir(parents=True)
    with file.open("wb") as stream:
        write_mo(stream, catalog)
    monkeypatch.setattr(words, "LOCALE", tmp_path / "locale")
    yield tmp_path / "locale"
    words.speak(words.ENGLISH, words.catalogue(words.ENGLISH))


async def test_pages_speak_the_language_of_the_settings(service: Service, locale: Path, token: str) -> None:
    service.settings = service.settings.model_copy(update={"language": "pt_BR"})
    transport = httpx2.ASGITransport(create_app(service), client=("127.0.0.1", 50_000))
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(transport=transport, base_url=ADDRESS, headers=headers) as client:
        page = (await client.get("/daemons")).text

    assert '<html lang="pt-BR"' in page
    assert "Serviços" in page
    assert "Schedules" in page  # what the catalogue lacks is said in English
    said = [words.ngettext("%(n)s job", "%(n)s jobs", n) % {"n": n} for n in (0, 1, 2, 1_000_000)]
    assert said == ["0 tarefa", "1 tarefa", "2 tarefas", "1000000 de tarefas"]


@pytest.mark.parametrize("language", ["xx", "../../etc", "", "pt"])
def test_a_language_that_is_not_there_is_refused_with_those_that_are(locale: Path, language: str) -> None:
    with pytest.raises(BadSettings) as refused:
        words.catalogue(language)

    assert refused.value.error_code == "ERR_LANGUAGE"
    assert refused.value.remedy == "Set language to one of: en, pt_BR."

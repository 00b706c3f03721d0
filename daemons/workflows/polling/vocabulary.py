"""The words that say something of a picture, and the phrases that say nothing. All in small letters."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


KEYWORDS = _words(
    """
    1910s 1920s 1930s 1940s 1950s 1960s 1970s 1980s 1990s airport apartheid army athlete battle bombing border boxing
    bridge building cathedral ceremony church city civil colony concert conflict congress coronation court crowd
    demonstration depression documentary election emigrant empire event expedition factory family famine farm farmer
    festival film flood funeral government harbor harbour harvest historic historical hospital immigrant inauguration
    industry interview king labor labour landscape leader liberation march market meeting military mine miner minister
    monument movement musician nation navy news parade parliament peace performance police political politician portrait
    president press prison procession protest queen railway rally refugee revolution riot rights royal school senate
    ship slavery society soldier speech sport stadium station strike street student suffrage summit train treaty trial
    troops union uniform university village visit vote war wedding worker workers
    arbeiter bahnhof bildnis brücke demonstration fabrik familie hafen hochzeit kirche krieg landschaft markt schule
    soldat stadt straße
    """
)
ARCHIVAL = _words(
    """
    album albumen ambrotype archival archive archives autochrome collection contact-sheet cyanotype daguerreotype
    documentary engraving etching exhibition film fonds footage gallery glass-plate lantern library lithograph museum
    negative newsreel photo photograph photographer photography polaroid postcard print record records reproduction
    scan slide snapshot stereograph tintype transparency video vintage
    abzug archiv fotografie fotograf negativ nachlass postkarte sammlung
    """
)
TECHNICAL = _words(
    "16mm 35mm 8mm aperture codec color colour dpi duration ektachrome exposure format fps iso kodachrome lens"
    " megapixel monochrome pixels ppi resolution sepia timecode"
)
BOILERPLATE = frozenset(
    (
        "add to cart",
        "all rights reserved",
        "buy now",
        "click here",
        "cookie policy",
        "download now",
        "free download",
        "getty images",
        "high quality stock",
        "high resolution stock",
        "istock",
        "privacy policy",
        "royalty free",
        "royalty-free",
        "shutterstock",
        "sign up",
        "stock footage",
        "stock image",
        "stock photo",
        "subscribe to",
        "terms of use",
    )
)

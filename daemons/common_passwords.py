"""Passwords that guessers try first, told by what they are made of rather than by a long list.

A word of the list below stands for itself with digits or signs around it, with letters written as digits (P4ssw0rd!),
twice in a row, or joined to another one.
"""

import re
from itertools import pairwise

_WORDS_TEXT = """
pass password passwort passwd motdepasse contrasena wachtwoord parola senha haslo secret geheim login logon letmein
letme welcome willkommen bienvenue bienvenido benvenuto changeme change default temp temporary guest gast admin
administrator root user benutzer owner master system service server manager operator test tester testing demo hello
hallo hola bonjour ciao love iloveyou loveyou lovely iloveu ichliebedich jetaime teamo sweetheart babygirl princess
prinzessin angel angels baby honey sunshine flower flowers butterfly lovers forever family friends monkey dragon
tiger lion eagle panther falcon dolphin horse puppy kitty doggy wolf bear rabbit buster max bella football fussball
soccer baseball basketball hockey tennis golf yankees liverpool arsenal chelsea barcelona juventus realmadrid bayern
dallas cowboys steelers lakers ferrari porsche mercedes mustang corvette yamaha harley batman superman spiderman
ironman starwars pokemon pikachu naruto minecraft fortnite matrix hunter killer ranger shadow ninja samurai warrior
phoenix jordan michael jennifer jessica charlie thomas daniel andrew robert william michelle ashley nicole amanda
matthew joshua george martin maria anna julia peter stefan andreas alexander computer internet windows microsoft
google facebook samsung apple iphone android linux ubuntu debian raspberry cheese chocolate pepper ginger cookie
banana orange coffee pizza whatever nothing trustno access freedom summer winter spring autumn sommer herbst monday
friday sunday january february march april june july august september october november december purple yellow silver
golden black white green blue red midnight crystal diamond jesus christ heaven blessed church london berlin paris
texas america canada australia germany deutschland france espana mexico music guitar rockyou metallica nirvana
eminem slipknot fuckyou fuckoff asshole bitch sexy hottie pussy biteme qwerty qwertz azerty qwer asdf asdfgh asdfghj
asdfghjk asdfghjkl qwertyu qwertyui zxcvbn zxcvbnm yxcvbnm qwertyuiop qwertzuiop azertyuiop qazwsx qazwsxedc wsxedc
qweasd qweasdzxc qwe asd zxc abc abcd abcde abcdef abcdefg abcdefgh alphabet aaa xxx zzz daemondeck daemon deck home
homeserver media plex nas stash letmeinnow please thankyou super
"""
_WORDS = frozenset(_WORDS_TEXT.split())
_WALKS_TEXT = """
1q2w3e4r 1q2w3e4r5t 1qaz2wsx 1qaz2wsx3edc q1w2e3r4 q1w2e3r4t5 a1b2c3d4 a1s2d3f4 1a2b3c4d zaq12wsx zaq1xsw2 1qazxsw2
qwer1234 1234qwer asdf1234 abcd1234 1234abcd aa123456 pass1234 123qweasd 1q2w3e4r5t6y abc123456 a1234567 a12345678
q1234567 147258369 159357456 741852963 789456123 987654321 123123123 112233445566 121212121
"""
_WALKS = frozenset(_WALKS_TEXT.split())
_AS_LETTERS = str.maketrans("0134578@$!|", "oieastbasii")
_AROUND = "0123456789!?.,;:#*+-_=@$%&/\\()[]{}<>\"'^~| "


def is_common(password: str, *, also: tuple[str, ...] = ()) -> bool:
    """Whether `password` is among the first that are tried; `also` are words that come to mind, such as a name."""
    lowered = password.casefold()
    if lowered in _WALKS or _is_run(lowered) or re.fullmatch(r"(19|20)\d{6}|\d{4}(19|20)\d\d", lowered):
        return True
    words = _WORDS | {word.casefold() for word in also}
    bare = lowered.strip(_AROUND)
    return any(_is_made_of(words, text) for text in {bare, bare.translate(_AS_LETTERS), lowered.translate(_AS_LETTERS)})


def _is_made_of(words: frozenset[str], text: str) -> bool:
    text = re.sub(r"[\s._-]+", "", text)
    return text in words or any(text[:at] in words and text[at:] in words for at in range(1, len(text)))


def _is_run(text: str) -> bool:
    """Whether it repeats something short, or counts up or down."""
    if re.fullmatch(r"(.{1,4}?)\1+.{0,3}", text, re.DOTALL):
        return True
    steps = {ord(after) - ord(before) for before, after in pairwise(text)}
    if text.isascii() and text.isdecimal():
        # 0 follows 9.
        steps = {step % 10 for step in steps}
    return len(steps) == 1 and steps <= {0, 1, 9, -1}

"""What the invented people of Musterstadt say to their invented public utility, and it to them."""

from __future__ import annotations

import re
from random import Random

COMPANY = "Stadtwerke Musterstadt"

PEOPLE = (
    "Mira Sommer",
    "Jonas Weber",
    "Ayşe Kaya",
    "Ole Brandt",
    "Hannah Liebig",
    "Piotr Zieliński",
    "Clara Nguyen",
    "Deniz Arslan",
    "Friedrich Holm",
    "Giulia Ferri",
    "Tom O'Leary",
    "Samira Haddad",
    "Björn Åkesson",
    "Ines Carvalho",
    "Lukas Tannert",
    "Emily Carter",
    "Katja Wolff",
    "Radu Ionescu",
    "Noor Bakker",
    "Paul Griesbach",
)

POSTS = (
    "Ab Montag gilt unser neuer Ökostromtarif. Wer wechselt, pflanzt einen Baum mit uns. 🌳",
    "Glasfaser für die Südstadt: Die Bagger rollen seit heute früh. Danke für eure Geduld!",
    "Our customer centre on Market Square stays open until 8 pm this Thursday.",
    "Sommerfest im Wasserwerk am Samstag ab 14 Uhr. Führungen, Eis und kühles Trinkwasser!",
    "Achtung, Betrüger an der Haustür: Unsere Leute zeigen immer ihren Ausweis.",
)

QUESTIONS = (
    "Seit heute Morgen ist in der Lindenstraße der Strom weg. Wann geht es weiter?",
    "Mein Abschlag hat sich verdoppelt, obwohl ich weniger verbrauche. Wie kann das sein?",
    "Wo finde ich die Rechnung vom letzten Jahr? Im Portal ist nichts zu sehen.",
    "Is there an outage in Harbour Road? My internet has been down since nine.",
    "Der Techniker sollte zwischen 8 und 12 kommen. Jetzt ist es 15 Uhr und niemand war da.",
    "Kann ich meinen Zählerstand auch als Foto schicken?",
    "I am moving out at the end of the month. How do I cancel my contract?",
    "Das WLAN bricht jeden Abend ab, immer gegen acht. Was soll ich noch versuchen?",
    "Ab wann gilt der neue Tarif auch für Bestandskunden?",
    "You charged me twice for the same bill. When will I get the money back?",
    "Kommt aus dem Hahn braunes Wasser, darf man das trinken? Wir haben ein Baby.",
    "Wie lange wird bei uns in der Gartenstraße noch gebaggert? Man kommt kaum zur Tür.",
    "My new router never arrived. The parcel number is unknown at the post office.",
    "Ich warte seit drei Wochen auf eine Antwort auf meine Mail. Liest die jemand?",
    "Warum steht auf der Rechnung eine Mahngebühr? Ich habe pünktlich überwiesen.",
    "Habt ihr am Samstag geöffnet?",
)

ANSWERS_TO_OTHERS = (
    "Bei uns auch! Die ganze Straße ist dunkel.",
    "Same here, nobody picks up the phone. What is going on?",
    "Hat bei dir schon jemand geantwortet? Ich warte auch.",
    "Das hatte ich letzte Woche auch. Was hat bei dir geholfen?",
)

PHOTO_TEXTS = (
    "So sieht der Zähler aus. Welche Zahl braucht ihr?",
    "Here is a photo of the letter. Is it really from you?",
    "Das ist die Baustelle vor unserer Tür, seit gestern ohne Absperrung.",
    None,
    "Die Lampe am Router blinkt rot, siehe Bild.",
)

FOLLOW_UPS = (
    "Gibt es schon etwas Neues?",
    "Das hat leider nicht geholfen. Was nun?",
    "Any news on this?",
    "Ich habe noch eine Frage dazu: Muss ich dafür zu Hause sein?",
)

PRAISE = (
    "Danke für den schnellen Einsatz letzte Nacht, toll gemacht! 👏",
    "The lady at the counter was so kind and patient. Thank you!",
    "Super Service, in zehn Minuten war alles geklärt. Danke!",
)

COMPLAINTS = (
    "Seit Wochen hänge ich in der Warteschleife. So geht man nicht mit Kunden um.",
    "Three appointments, three times nobody came. Very disappointing.",
    "Erst heißt es morgen, dann übermorgen. Ich glaube euch nichts mehr.",
)

INSULTS = (
    "Ihr seid doch alle Halsabschneider, der ganze Saftladen gehört zugesperrt!!!",
    "What a bunch of crooks, do not buy anything from this Saftladen",
)

PERSONAL = (
    "Meine Kundennummer ist 4711-{number}, bitte ruft mich zurück: 0700 {number}",
    "My customer number is 4711-{number}, please call me back on 0700 {number}",
)

MENTIONS = (
    "Nach zwei Tagen ohne Warmwasser bin ich gespannt, wann sich {company} meldet.",
    "Anyone else still waiting for {company} to connect the fibre?",
)

OUR_GREETING = (
    ("Hallo {first}, ", "Hi {first}, "),
    ("Guten Tag {name}, ", "Hello {name}, "),
)
OUR_ANSWERS = {
    "billing": (
        "wir prüfen die Abrechnung und melden uns noch heute mit dem Ergebnis.",
        "we are checking the bill and will come back to you today.",
    ),
    "outage": (
        "die Störung ist bekannt, der Trupp ist vor Ort. Bis heute Abend soll alles laufen.",
        "we know of the fault and the crew is on site. All should be well by tonight.",
    ),
    "": (
        "danke für die Nachricht. Wir kümmern uns darum und melden uns gleich.",
        "thank you for writing. We are looking into it and will be back in a moment.",
    ),
}
OUR_PRIVATE = (
    "danke. Deine Daten haben wir, im öffentlichen Kommentar sind sie jetzt verborgen.",
    "thank you. We have your details; in the public comment they are hidden now.",
)
OUR_OWN_APP = "Das haben wir gerade am Telefon geklärt."

_TOPICS = {
    "billing": re.compile(r"rechnung|abschlag|mahn|überwies|\bbill\b|charged|money", re.IGNORECASE),
    "outage": re.compile(r"strom|störung|outage|internet|wlan|dunkel|warmwasser", re.IGNORECASE),
}
_ENGLISH = re.compile(r"\b(the|my|is|you|what|any|we|for)\b", re.IGNORECASE)
_RUDE = re.compile(r"saftladen|crooks", re.IGNORECASE)
_THANKS = re.compile(r"\bdanke\b|thank you", re.IGNORECASE)
_NUMBER = re.compile(r"kundennummer|customer number", re.IGNORECASE)


def topic(text: str) -> str:
    """Say what a text is about, as somebody who skims it would; empty: hard to say."""
    return next((name for name, words in _TOPICS.items() if words.search(text)), "")


def is_rude(text: str) -> bool:
    """Say whether it is nothing but an insult."""
    return bool(_RUDE.search(text))


def is_praise(text: str) -> bool:
    """Say whether it only thanks."""
    return bool(_THANKS.search(text)) and "?" not in text


def is_personal(text: str) -> bool:
    """Say whether it tells what the public should not read."""
    return bool(_NUMBER.search(text))


def personal(random: Random) -> str:
    """Say something that should not be said in public."""
    return random.choice(PERSONAL).format(number=random.randrange(100_000, 1_000_000))


def answer(
    random: Random, *, name: str, text: str, agent: str, case: str, private: bool = False
) -> str:
    """Answer a customer in the language of what was asked; no two cases are the same."""
    english = bool(_ENGLISH.search(text))
    greeting = random.choice(OUR_GREETING)[english]
    body = (OUR_PRIVATE if private else OUR_ANSWERS[topic(text)])[english]
    first = name.partition(" ")[0]
    # Not every network tells who writes.
    start = greeting.format(first=first, name=name).replace(" ,", ",")
    return f"{start}{body} /{agent.title()} ({case})"

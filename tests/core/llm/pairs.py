"""Sentences with the passage they cite, written by hand: what it supports, and what it doesn't."""

from dataclasses import dataclass

from tests.core.llm.passages import DAYS, HABIT, SLEEP, Note

CAFFEINE = Note(
    title="Sleep",
    heading="Sleep › Does coffee matter?",
    text="Caffeine stays in the body for hours: its half-life is about five hours. Have your last "
    "coffee before 2 pm. Alcohol makes you fall asleep faster but sleep worse. Never take "
    "sleeping pills without asking a doctor.",
)
FOCUS = Note(
    title="Focus",
    heading="Focus › How do I concentrate?",
    text="Work in blocks of 25 minutes with a break of 5 minutes after each; this is called the "
    "Pomodoro technique. Put the phone in another room. Interruptions cost about 23 minutes until "
    "you are back at the task. Music with lyrics lowers reading comprehension.",
)
COURSE = Note(
    title="The course",
    heading="The course › Prices and dates",
    text="The course costs 1,200 euros, or 12 payments of €110. It starts on 3 March 2025 and "
    "takes eight weeks. Groups meet every Tuesday at 18:00. You get 80 % of the fee back if you "
    "cancel 14 days before the start.",
)
ATEM = Note(
    title="Stress",
    heading="Stress › Was hilft sofort?",
    text="Langsames Ausatmen beruhigt den Körper innerhalb weniger Minuten. Atme vier Sekunden ein "
    "und sechs Sekunden aus. Wer täglich zehn Minuten übt, schläft nach drei Wochen besser. "
    "Kaffee verstärkt die Unruhe.",
)
SOMMEIL = Note(
    title="Sommeil",
    heading="Sommeil › Comment mieux dormir ?",
    text="Couchez-vous à la même heure chaque soir. La chambre doit être fraîche, entre 16 et 18 "
    "degrés. Évitez les écrans une heure avant de dormir.",
)
FEEDBACK = Note(
    title="Feedback",
    heading="Feedback › How do I give it?",
    text="Describe what you saw, what it did to you, and what you wish for next time. Praise in "
    "public, criticise in private. Give feedback within a day or two, while both remember. Ask for "
    'permission first: "May I tell you something I noticed?"',
)


@dataclass(frozen=True, kw_only=True)
class Pair:
    claim: str
    note: Note
    supported: bool


def _yes(note: Note, *claims: str) -> list[Pair]:
    return [Pair(claim=claim, note=note, supported=True) for claim in claims]


def _no(note: Note, *claims: str) -> list[Pair]:
    return [Pair(claim=claim, note=note, supported=False) for claim in claims]


PAIRS: list[Pair] = [
    *_yes(
        HABIT,
        "Choose one small action and tie it to a daily cue.",
        "Start small.",
        "Tie your small action to something you get as a daily cue.",
        "Begin with a version so small that you could do it on your worst day.",
        "Repeating it in a stable setting turns a choice into a habit.",
        "What makes a habit stick is repetition in a stable setting.",
        "Make your habit tiny at first: so small you could do it on your worst day.",
    ),
    *_no(
        HABIT,
        "Reward yourself with chocolate after every repetition.",
        "Drink coffee.",
        "Just believe in yourself!",
        "Choose three actions and tie them to a daily cue.",
        "Make the first version as big as you can on your best day.",
        "Do not tie the action to a daily cue.",
        "According to Harvard, a daily cue doubles your chance to start a habit.",
        "Tell your friends about your habit and download a tracking app.",
        "Repetition in a stable setting does not turn a choice into a habit.",
        "Choose one small action and see https://example.org for more.",
    ),
    *_yes(
        DAYS,
        "Forming a habit takes weeks to months.",
        "There is no good evidence for the claim of 21 days.",
        "In a study from 2010 people took 66 days on average.",
        "Lally and colleagues found a median of sixty-six days.",
        "Judge yourself by repetitions.",
        "On average, it took people 66 days to form a habit.",
    ),
    *_no(
        DAYS,
        "Forming a habit takes 21 weeks.",
        "In a 2015 study people took 66 days on average.",
        "There is good evidence that a habit takes 30 days.",
        "People took 66 weeks on average.",
        "Judge yourself by the calendar.",
        "Most people give up after two weeks.",
    ),
    *_yes(
        SLEEP,
        "Keep one time for getting up.",
        "Make your bedroom dark, cool and quiet.",
        "Keep the last hour before bed calm.",
        "A calm last hour before bed helps you to sleep better.",
    ),
    *_no(
        SLEEP,
        "Make your bedroom bright and loud.",
        "Take melatonin an hour before bed.",
        "Keep the last three hours before bed calm.",
        "Eat a big dinner and keep the television on.",
    ),
    *_yes(
        CAFFEINE,
        "Have your last coffee before 14:00.",
        "The half-life of caffeine is about 5 hours.",
        "Alcohol helps you fall asleep faster, but you sleep worse.",
        "Ask a doctor before you take sleeping pills.",
    ),
    *_no(
        CAFFEINE,
        "Have your last coffee after 2 pm.",
        "Have your last coffee before 4 pm.",
        "The half-life of caffeine is about five days.",
        "Alcohol makes you sleep better.",
        "Take sleeping pills without asking a doctor.",
        "Caffeine stays in the body for weeks.",
    ),
    *_yes(
        FOCUS,
        "Work in 25-minute blocks and take a 5-minute break after each.",
        "The Pomodoro technique uses blocks of twenty-five minutes.",
        "Put your phone in another room.",
        "After an interruption it takes about 23 minutes to be back at the task.",
        "Music with lyrics lowers your reading comprehension.",
    ),
    *_no(
        FOCUS,
        "Work in blocks of 25 hours.",
        "The Cirillo technique uses blocks of 25 minutes.",
        "Music with lyrics raises reading comprehension.",
        "Put the phone in your pocket and check it every 25 minutes.",
        "Interruptions cost about 45 minutes.",
        "Meditate daily to train your attention.",
    ),
    *_yes(
        COURSE,
        "The course costs €1200.",
        "You can pay in twelve payments of 110 €.",
        "It starts on March 3, 2025 and takes 8 weeks.",
        "Groups meet on Tuesdays at 6 pm.",
        "If you cancel 14 days before the start, you get 80 percent of the fee back.",
    ),
    *_no(
        COURSE,
        "The course costs 1,200 dollars.",
        "The course costs 120 euros.",
        "It starts on 4 March 2025.",
        "It starts on 3 March 2026 and takes eight weeks.",
        "Groups meet every Thursday at 18:00.",
        "Groups meet every Tuesday at 8 pm.",
        "You get 100 % of the fee back if you cancel before the start.",
        "The course takes eighty weeks.",
    ),
    *_yes(
        ATEM,
        "Atme langsam aus, das beruhigt den Körper.",
        "Atme 4 Sekunden ein und 6 Sekunden aus.",
        "Wer jeden Tag 10 Minuten übt, schläft nach drei Wochen besser.",
        "Kaffee verstärkt Unruhe.",
    ),
    *_no(
        ATEM,
        "Atme acht Sekunden ein und sechs Sekunden aus.",
        "Ein Spaziergang im Wald senkt den Blutdruck.",
        "Kaffee beruhigt den Körper und hilft beim Einschlafen.",
        "Wer täglich zehn Stunden übt, schläft besser.",
    ),
    *_yes(
        SOMMEIL,
        "La chambre doit être fraîche : entre 16 et 18 degrés.",
        "Couchez-vous chaque soir à la même heure.",
        "Évitez les écrans une heure avant de dormir.",
    ),
    *_no(
        SOMMEIL,
        "La chambre doit être entre 20 et 22 degrés.",
        "Buvez une tisane de camomille avant le coucher.",
        "Évitez les écrans deux heures avant de dormir.",
    ),
    *_yes(
        FEEDBACK,
        "Describe what you saw and what you wish for next time.",
        "Praise people in public and criticise them in private.",
        "Give your feedback within a day or two.",
        "First ask for permission.",
    ),
    *_no(
        FEEDBACK,
        "Criticise in public so that everybody learns from it.",
        "Wait a month before you give feedback.",
        "Use the sandwich method: praise, criticism, praise.",
        "Write feedback into the yearly review form.",
    ),
]

# Written after the limits were chosen, and not looked at while they were.
MONEY = Note(
    title="Money",
    heading="Money › How do I save?",
    text="Pay yourself first: move 10 % of each salary to another account on the day it comes. "
    "Keep three months of expenses as a cushion. Cancel subscriptions that you haven't used for "
    "60 days. Credit cards charge about 20 % interest a year, so pay them off before you invest.",
)
PLANTS = Note(
    title="Balcony",
    heading="Balcony › Tomatoes",
    text="Tomatoes need at least six hours of sun. Water them in the morning, at the root, not on "
    "the leaves. Plant them out after the Ice Saints, in the middle of May. A pot of 20 litres is "
    "enough for one plant.",
)
TRAINING = Note(
    title="Laufen",
    heading="Laufen › Wie fange ich an?",
    text="Beginne mit drei Läufen pro Woche zu je 20 Minuten. Laufe so langsam, dass du dich "
    "unterhalten kannst. Steigere den Umfang um höchstens zehn Prozent pro Woche. Bei Schmerzen "
    "im Knie mache eine Pause von mindestens zwei Tagen.",
)
UNSEEN: list[Pair] = [
    *_yes(
        MONEY,
        "Move 10 percent of your salary to another account on the day it arrives.",
        "Keep a cushion of 3 months of expenses.",
        "Cancel subscriptions you haven't used for sixty days.",
        "Pay off credit cards before you invest, since they charge about 20 % interest.",
        "Pay yourself first.",
    ),
    *_no(
        MONEY,
        "Move 20 % of each salary to another account.",
        "Keep six months of expenses as a cushion.",
        "Invest before you pay off your credit cards in an index fund.",
        "Buy gold to protect your savings.",
        "Cancel subscriptions that you haven't used for 60 weeks.",
        "Ask your bank for a lower rate.",
    ),
    *_yes(
        PLANTS,
        "Tomatoes need six hours of sun or more.",
        "Water tomatoes in the morning at the root.",
        "Plant tomatoes out in the middle of May.",
        "One plant needs a pot of about 20 litres.",
        "Do not water the leaves.",
    ),
    *_no(
        PLANTS,
        "Tomatoes need at least three hours of sun.",
        "Water them in the evening, on the leaves.",
        "Plant them out in the middle of March.",
        "Use a fertiliser with potassium every week.",
        "A pot of 5 litres is enough for one plant.",
        "Tomatoes taste better with basil.",
    ),
    *_yes(
        TRAINING,
        "Beginne mit 3 Läufen pro Woche, je zwanzig Minuten.",
        "Laufe so langsam, dass du dich noch unterhalten kannst.",
        "Steigere den Umfang höchstens um 10 % pro Woche.",
        "Mache bei Schmerzen im Knie eine Pause.",
    ),
    *_no(
        TRAINING,
        "Beginne mit fünf Läufen pro Woche.",
        "Steigere den Umfang um 20 Prozent pro Woche.",
        "Kaufe dir vor dem ersten Lauf neue Schuhe.",
        "Trinke nach dem Laufen einen Liter Wasser.",
        "Mache bei Schmerzen im Knie keine Pause.",
    ),
]

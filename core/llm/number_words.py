"""Numbers, units, months and weekdays as six languages write them: what the figure check reads."""

from collections.abc import Iterator, Mapping
from itertools import chain

_EN = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen
fifteen sixteen seventeen eighteen nineteen twenty"""
_DE = """null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn
fünfzehn sechzehn siebzehn achtzehn neunzehn zwanzig"""
_FR = """zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze
seize dix-sept dix-huit dix-neuf vingt"""
_ES = """cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince
dieciséis diecisiete dieciocho diecinueve veinte"""
_PT = """zero um dois três quatro cinco seis sete oito nove dez onze doze treze catorze quinze
dezesseis dezessete dezoito dezenove vinte"""
_IT = """zero uno due tre quattro cinque sei sette otto nove dieci undici dodici tredici
quattordici quindici sedici diciassette diciotto diciannove venti"""
_TENS = (
    "thirty forty fifty sixty seventy eighty ninety",
    "dreißig vierzig fünfzig sechzig siebzig achtzig neunzig",
    "trente quarante cinquante soixante",
    "treinta cuarenta cincuenta sesenta setenta ochenta noventa",
    "trinta quarenta cinquenta sessenta setenta oitenta noventa",
    "trenta quaranta cinquanta sessanta settanta ottanta novanta",
)


def _german_tens() -> Iterator[tuple[str, int]]:
    """`einundzwanzig` and so on are one word."""
    for tens, word in enumerate(("zwanzig", *_TENS[1].split()), start=2):
        for unit, one in enumerate(("ein", *_DE.split()[2:10]), start=1):
            yield f"{one}und{word}", tens * 10 + unit


NUMBER_WORDS: Mapping[str, int] = {
    **{
        word: value
        for words in (_EN, _DE, _FR, _ES, _PT, _IT)
        for value, word in enumerate(words.split())
    },
    **{word: 10 * tens for row in _TENS for tens, word in enumerate(row.split(), start=3)},
    **dict(_german_tens()),
    **dict.fromkeys(("a dozen", "dozen", "dutzend", "douzaine", "docena", "dúzia", "dozzina"), 12),
    **dict.fromkeys(("hundred", "hundert", "cien", "cem"), 100),
    **dict.fromkeys(("thousand", "tausend"), 1000),
    **dict.fromkeys(("million", "millón", "milhão", "milione"), 10**6),
    **dict.fromkeys(("ein", "eine", "einen", "une", "una", "uma"), 1),
    **dict.fromkeys(("duas", "twice"), 2),
    **dict.fromkeys(("quatre-vingt", "quatre-vingts"), 80),
    "soixante-dix": 70,
    "quatre-vingt-dix": 90,
}
TENS = frozenset({20, 30, 40, 50, 60, 70, 80, 90})
SCALES: Mapping[str, int] = {
    **dict.fromkeys(("hundred", "hundert", "cents", "cento", "cien", "ciento", "cem"), 100),
    **dict.fromkeys(("thousand", "tausend", "mille", "mil", "mila", "k"), 1000),
    **dict.fromkeys(
        ("million", "millions", "millionen", "millón", "millones", "milhão", "milhões"), 10**6
    ),
    **dict.fromkeys(("milione", "milioni", "mio"), 10**6),
    **dict.fromkeys(("billion", "billions", "milliarde", "milliarden", "milliard"), 10**9),
}
# Articles, and words that mean something else in another of these languages.
UNSURE = frozenset(
    (
        *("one", "eins", "ein", "eine", "einen", "un", "une", "uno", "una", "um", "uma", "once"),
        *("elf", "sei", "neuf", "dix", "acht", "null", "zero", "zéro", "cero", "mil", "mille"),
        *("sete", "nove", "tre", "due", "six"),
    )
)

_UNITS: Mapping[str, str] = {
    "%": "% percent prozent pourcent percento porciento porcento",
    "$": "$ usd dollar dollars dólares dólar dollari",
    "€": "€ eur euro euros",
    "£": "£ gbp pound pounds pfund",
    "second": "s sec second seconds sekunde sekunden seconde secondes segundo segundos secondi",
    "minute": "min mins minute minutes minuten minuto minutos minuti",
    "hour": "h hr hrs hour hours stunde stunden heure heures hora horas ora ore",
    "day": "day days tag tage tagen jour jours día días dia dias giorno giorni",
    "week": "week weeks woche wochen semaine semaines semana semanas settimana settimane",
    "month": "month months monat monate monaten mois mes meses mês mese mesi",
    "year": "year years jahr jahre jahren an ans année années año años ano anos anno anni",
    "km": "km kilometer kilometers kilometre kilometres kilomètres kilómetros chilometri",
    "kg": "kg kilo kilos kilogram kilograms kilogramm",
    "mg": "mg milligram milligrams milligramm",
    "g": "g gram grams gramm",
    "ml": "ml milliliter milliliters millilitres",
    "l": "l liter liters litre litres litro litros litri",
    "°": "° °c °f degrees grad degrés grados graus gradi",
}
UNITS: Mapping[str, str] = {word: unit for unit, words in _UNITS.items() for word in words.split()}
# A percentage or a price is never meant by a bare number of another kind.
STRICT_UNITS = frozenset("%$€£")

_MONTHS = (
    "january february march april may june july august september october november december",
    "januar februar märz april mai juni juli august september oktober november dezember",
    "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
    "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
    "jan feb mar apr may jun jul aug sep oct nov dec",
)
MONTHS: Mapping[str, int] = {
    **{name: n for names in _MONTHS for n, name in enumerate(names.split(), start=1)},
    "sept": 9,
}
# Also verbs, planets, particles: a month only beside a day.
UNSURE_MONTHS = frozenset(
    ("may", "march", "mars", "mai", "maio", "mar", "jan", "dec", "sep", "set", "nov")
)

_WEEKDAYS = (
    "monday tuesday wednesday thursday friday saturday sunday",
    "montag dienstag mittwoch donnerstag freitag samstag sonntag",
    "lundi mardi mercredi jeudi vendredi samedi dimanche",
    "lunes martes miércoles jueves viernes sábado domingo",
    "segunda-feira terça-feira quarta-feira quinta-feira sexta-feira sábado domingo",
    "lunedì martedì mercoledì giovedì venerdì sabato domenica",
)
WEEKDAYS: Mapping[str, int] = dict(
    chain.from_iterable(
        ((form, n) for form in (name, f"{name}s"))
        for names in _WEEKDAYS
        for n, name in enumerate(names.split())
    )
)

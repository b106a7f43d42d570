"""What every probe of a candidate reads, and the limits of what may come out. No torch.

The short probe (`sanity`, after a restart and before a rollback) and the probe gate (`gates.probe`) share these.
"""

LARGEST_LOGIT = 1e4
"""What a logit may be at most; `[verify] max_logit` can change it for the gate."""
LARGEST_GROWTH = 100.0
"""How many times larger than the base's own largest logit a candidate's may be; `[verify] max_logit_growth`."""

_LENGTH = 12

SHORT = ("The capital of France is", "def add(a, b):\n    return", "1 2 3 4 5 6 7")

LONG = """\
The lighthouse stood at the end of a narrow road, and every evening Mrs. Hale walked out to it with a lamp, \
a loaf of bread and the day's newspaper. Her brother, who kept the light, had not been in town for eleven \
weeks. "The wind is from the north," he would say, "and the boats will be late." She asked him once why he \
never counted them; he laughed, and showed her a book in which each boat since 1874 had a line of its own: \
its name, its weight, the hour and the weather.

Dear all,
thank you for the notes from Tuesday. Three points are still open: (1) who pays for the new pump, (2) \
whether the roof can wait until spring, and (3) the date of the next meeting. I would suggest the 14th at \
10:30, in the small room. Please answer by Friday. If nobody objects, I shall order the pump myself, since \
the old one cost us 312.50 in repairs this year.

def area(width, height):
    # A rectangle; both sides are in metres.
    if width < 0 or height < 0:
        raise ValueError("a side cannot be negative")
    return width * height

{"id": 4711, "name": "Example Ltd.", "active": true, "tags": ["north", "retail"], "balance": -20.75}

To make the dough, mix 500 g of flour with a spoon of salt, warm water and a little yeast. Knead it for ten \
minutes, cover it, and let it rise in a warm place until it is twice as large. Meanwhile chop two onions and \
fry them slowly in butter. Bake everything at 220 degrees for half an hour; the crust should sound hollow \
when you knock on it.

Question: why does the moon seem larger near the horizon? Answer: it does not become larger at all. A \
photograph shows the same size at every height. The eye compares it with trees and houses far away, and the \
mind draws a conclusion that the ruler does not confirm. Der Mond ist aufgegangen, die goldnen Sternlein \
prangen. La lune blanche luit dans les bois.
"""


def spread(vocabulary: int) -> list[tuple[int, ...]]:
    """Make two prompts of token ids that are spread over the vocabulary, for a base that reads no text."""
    return [tuple((7919 * i + 13 * j) % vocabulary for i in range(1, _LENGTH + 1)) for j in (1, 2)]

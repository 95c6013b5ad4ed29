"""Source code: its text stands as it is, and its classes and functions are found."""

import random
from itertools import count
from pathlib import Path

import pytest

from ingestion import AUTO, StructureStrategy, chunk, parse
from ingestion.parsers.grammars import grammar_of
from ingestion.parsers.source import MAX_CHARS, MAX_LINE_CHARS
from ingestion.parsers.symbols import PARSING_S, TooLongError, symbols
from tests.parsed import read, spans

DOCUMENTS = Path(__file__).parent / "documents"

# Every symbol of each document
SYMBOLS = {
    "grate.py": "Bay Bay.head_loss_mm Bay.is_clogged Rake Rake.__init__ Rake.order Rake.order.urgency Rake.sweep",
    "gauge.js": "Gauge Gauge.constructor Gauge.push Gauge.latest Gauge.isStale lamp alarms Gauge.prototype.describe",
    "gatepanel.jsx": "GateSlider GateSlider.release CloseAll GatePanel",
    "dispatch.ts": "DispatchOrder DispatchOrder.accepts StationCode Ramp Limits Limits.ramp sealed Dispatcher "
    "Dispatcher.onRefusal Dispatcher.take Settlement Settlement.price total default",
    "tailwater.tsx": "Reading ChartProps TailwaterChart TailwaterChart.colour Legend Legend.render",
    "Governor.java": "Governor Governor.Governor Governor.vaneCorrection Governor.mean Governor.Gain "
    "Governor.Gain.Gain Governor.TripListener Governor.TripListener.tripped Governor.Trip Governor.Trip.isOverspeed",
    "siren.c": "siren_state horn limited_duty siren_state_name siren_sound",
    "siren.h": "siren_request siren_sound siren_state_name siren_on_quiet",
    "penstock.cpp": "tarnvell.hydraulics tarnvell.hydraulics.Pipe tarnvell.hydraulics.Pipe.Pipe "
    "tarnvell.hydraulics.Pipe.~Pipe tarnvell.hydraulics.Pipe.area tarnvell.hydraulics.Pipe.wave_speed "
    "tarnvell.hydraulics.Pipe.Flange tarnvell.hydraulics.Pipe.Flange.is_bolted tarnvell.hydraulics.Pipe.operator== "
    "tarnvell.hydraulics.Pipe.wave_speed tarnvell.hydraulics.surge tarnvell.hydraulics.Lining "
    "tarnvell.hydraulics.label",
    "FishCounter.cs": "Tarnvell.Ladder Tarnvell.Ladder.FishCounter Tarnvell.Ladder.FishCounter.FishCounter "
    "Tarnvell.Ladder.FishCounter.Count Tarnvell.Ladder.FishCounter.Count.IsFish Tarnvell.Ladder.FishCounter.Dispose "
    "Tarnvell.Ladder.FishCounter.Window Tarnvell.Ladder.FishCounter.Window.Holds Tarnvell.Ladder.Season "
    "Tarnvell.Ladder.ICamera Tarnvell.Ladder.ICamera.Frame Tarnvell.Ladder.Sighting",
    "tariff.go": "Band Meter Meter.Read counter counter.Read Bill Stack Stack.Top",
    "patrol.rb": "Tarnvell Tarnvell.Patrol Tarnvell.Patrol.initialize Tarnvell.Patrol.note Tarnvell.Patrol.complete? "
    "Tarnvell.Patrol.from_sheet Tarnvell.Patrol.overdue greet",
    "visitors.php": "Tour Tour.__construct Tour.book Bookable Bookable.book Priced Priced.price Language "
    "Language.greeting open_tours",
    "spillway.rs": "Gate Gate Gate.closed Gate.raised Gate Gate.fmt Weir Weir.gates Weir.is_shut Level siren "
    "siren.needed gates flood_order",
    "nightly.sh": "fetch prune-archive",
    "Turbine.kt": "Turbine Turbine.mayRunAt Turbine.parse Trouble Vibration Vibration.toString Plant "
    "Plant.eachTurbine Turbine.difference",
    "BoatLock.swift": "BoatLock BoatLock.Gate BoatLock.init BoatLock.pass BoatLock.fee Boat LockError Boat",
    "Inflow.scala": "Inflow Forecast Forecast.shifted Forecast.peak Reservoir Reservoir.storedMegalitres "
    "Reservoir.isFull Lake",
    "lamps.lua": "Lamp.new Lamp:light Lamp.describe all_lit",
    "stores.sql": "part part_by_shelf to_order no_negative_stock",
    "noticeboard.css": "",
}


def document(name):
    return parse((DOCUMENTS / name).read_bytes(), name)


def labels(source, name):
    return [label for label, _, _ in spans(read(source, name), "symbol")]


def symbol(found, label):
    return next(text for name, _, text in spans(found, "symbol") if name == label)


def assert_well_formed(found):
    """Sorted, one in the other, and each from the beginning of a line."""
    order = [(span.start, -span.end) for span in found.spans]
    assert order == sorted(order)
    around = []
    for span in found.spans:
        while around and around[-1] <= span.start:
            around.pop()
        assert 0 <= span.start < span.end <= min([len(found.text), *around[-1:]])
        assert span.start == 0 or found.text[span.start - 1] == "\n"
        around.append(span.end)


@pytest.mark.parametrize("name", SYMBOLS)
def test_every_class_and_function_is_a_symbol_with_its_qualified_name(name):
    found = document(name)
    assert [label for label, _, _ in spans(found, "symbol")] == SYMBOLS[name].split()
    assert found.warnings == ()
    assert_well_formed(found)


@pytest.mark.parametrize("name", SYMBOLS)
def test_the_text_is_the_files_own(name):
    found = document(name)
    assert found.text == (DOCUMENTS / name).read_text(encoding="utf-8")
    assert found.verbatim


@pytest.mark.parametrize(
    ("name", "label", "first", "last"),
    [
        ("grate.py", "Bay", "# A bay is one opening", "> MAX_HEAD_LOSS_MM"),
        ("grate.py", "Bay.head_loss_mm", "    @property", "self.downstream_mm"),
        ("gauge.js", "lamp", "/** The colour of the lamp", "};"),
        ("gauge.js", "Gauge.isStale", "  isStale = (now)", "60_000;"),
        ("dispatch.ts", "Dispatcher", "@sealed\nexport class", "}"),
        ("Governor.java", "Governor.vaneCorrection", "    /** Opens or closes", "    }"),
        ("siren.c", "siren_state", "typedef enum {", "} siren_state;"),
        ("siren.h", "siren_sound", "/* Returns the sum", "(int seconds);"),
        ("penstock.cpp", "tarnvell.hydraulics.surge", "template <typename T>", "}"),
        ("penstock.cpp", "tarnvell.hydraulics.Pipe", "/// A pipe of steel", "};"),
        ("FishCounter.cs", "Tarnvell.Ladder.FishCounter", "    /// <summary>", "    }"),
        ("tariff.go", "Band", "// Band is a stretch", "}"),
        ("tariff.go", "Meter", "\t// Meter gives", "\t}"),
        ("patrol.rb", "Tarnvell.Patrol", "  # The walk along", "  end"),
        ("visitors.php", "Tour.book", "    #[Route(", "    }"),
        ("spillway.rs", "Gate", "/// A gate of the spillway.\n#[derive", "}"),
        ("spillway.rs", "Gate.raised", "    // Never by more", "    }"),
        ("nightly.sh", "fetch", "# Stations answer slowly", "}"),
        ("Turbine.kt", "Turbine.mayRunAt", "    // Below a third", "<= ratedKw"),
        ("lamps.lua", "Lamp.new", "-- Every lamp has a plate", "end"),
        ("stores.sql", "to_order", "-- The list that the storekeeper", "< reorder_at;"),
    ],
)
def test_a_symbol_takes_in_its_decorators_and_the_comments_directly_above(name, label, first, last):
    text = symbol(document(name), label)
    assert text.startswith(first)
    assert text.endswith(last + "\n")


def test_comments_elsewhere_belong_to_no_symbol():
    source = (
        "# of the file\n\ndef a():\n    pass\n\n\nb = 1  # of b\n# of c\nc = 2  # too\ndef d():\n    pass\n# after d\n"
    )
    assert spans(read(source, "a.py"), "symbol") == [
        ("a", 0, "def a():\n    pass\n"),
        ("d", 0, "def d():\n    pass\n"),
    ]


def test_offsets_count_characters():
    source = "// één 🐟\nconst größe = () => 'é';\n\n/* 鱼 */\nfunction 名() {}\n"
    assert spans(read(source, "a.js"), "symbol") == [
        ("größe", 0, "// één 🐟\nconst größe = () => 'é';\n"),
        ("名", 0, "/* 鱼 */\nfunction 名() {}\n"),
    ]


def test_a_symbol_begins_a_line():
    assert labels("class A { b() {} }\nlist.map(function c() {}); const d = () => 1\n", "a.js") == ["A"]


@pytest.mark.parametrize(
    ("name", "source", "found"),
    [
        ("a.js", "module.exports = {\n  a() {},\n  'b-c': function () {},\n  d: 1,\n};\n", ["a", "b-c"]),
        ("a.js", "exports.a = async () => {}\nexport default function () {}\n", ["exports.a", "default"]),
        ("a.ts", 'declare module "a" {\n  export function b(): void;\n}\n', ["a", "a.b"]),
        ("a.ts", "class A {\n  @Get()\n  b() {}\n}\n", ["A", "A.b"]),
        ("a.c", "int f(void)\n{\n    int g(x);\n    return 0;\n}\nint (*pointer)(int);\n", ["f"]),
        ("a.c", "struct a *b(void);\nstatic char **c(int d) {\n}\n", ["b", "c"]),
        ("a.cpp", "template <class T>\nint A<T>::b() { return 1; }\nA::A() : x(1) {}\n", ["A.b", "A.A"]),
        ("a.cpp", "namespace a { namespace b {\nstruct C {\n  operator bool() const;\n};\n}}\n",
         ["a", "a.b.C", "a.b.C.operator bool"]),
        ("a.h", "#pragma once\nclass A {\npublic:\n    void b();\n};\n", ["A", "A.b"]),
        ("a.cs", "namespace A;\nclass B\n{\n    B() {}\n    void C<T>() {}\n}\n", ["B", "B.B", "B.C"]),
        ("a.rs", "impl<T> From<A> for Vec<T> {\n    fn from() {}\n}\nmod b;\n", ["Vec", "Vec.from"]),
        ("a.rb", "class A::B\n  private def c; end\nend\n", ["A.B", "A.B.c"]),
        ("a.php", "<?php\nnamespace A\\B {\n  function c() {}\n}\n", ["A\\B", "A\\B.c"]),
        ("a.go", "func (l *List[T]) Push(v T) {\n}\nfunc (Set) Len() int { return 0 }\n", ["List.Push", "Set.Len"]),
    ],
)  # fmt: skip
def test_names_of_each_language(name, source, found):
    assert labels(source, name) == found


def test_python_2_and_broken_code_give_what_they_can():
    assert labels("def a():\n    print 'x'\n\ndef b():\n    exec 'y' in {}\n", "a.py") == ["a", "b"]
    assert labels("def a():\n    return 1\n\ndef b(:\n    pass\n\nclass C:\n    def d(self):\n        pass\n", "a.py") == [
        "a", "b", "C", "C.d",
    ]  # fmt: skip
    assert labels("class A {\n  b() {\n    if (\n  }\n}\nfunction c() {}\n", "a.js")[:2] == ["A", "A.b"]


def test_names_of_any_length_make_short_labels():
    source = "".join("  " * depth + f"class {'a' * 200}:\n" for depth in range(20)) + "  " * 20 + "pass\n"
    found = labels(source, "a.py")
    assert len(found) == 16
    assert max(map(len, found)) == 300


def test_long_files_and_minified_code_are_read_without_symbols():
    long = "def a(): pass\n" * (MAX_CHARS // 14 + 1)
    assert read(long, "a.py").spans == ()
    assert read(long, "a.py").warnings == (
        f"'a.py' has {len(long):,} characters, and symbols are looked for in up to {MAX_CHARS:,}; read without its symbols",
    )
    minified = "function a(){}" * (MAX_LINE_CHARS // 14 + 1)
    assert read(minified, "a.js").text == minified
    assert read(minified, "a.js").spans == ()
    assert "has a line of 20,006 characters" in read(minified, "a.js").warnings[0]
    assert read("a{b:c}" * 10_000, "a.css").warnings == ()


def test_code_that_broke_its_parser_is_read_without_symbols():
    found = parse(b"def a():\n    pass\n", "a.py", careful=True)
    assert (found.text, found.spans) == ("def a():\n    pass\n", ())
    assert found.warnings == ("'a.py' broke the parser of text/x-python; read without its symbols",)


def test_a_parser_that_takes_too_long_is_stopped():
    source = "def a():\n    pass\n" * 10_000
    grammar = grammar_of("text/x-python", "a.py", source)
    assert len(symbols(source, grammar, now=lambda: 0.0)) == 10_000
    with pytest.raises(TooLongError):
        symbols(source, grammar, now=count(0, PARSING_S / 3).__next__)


@pytest.mark.parametrize("opening", ["(", "[", "{", "if (a) {", "function a() {", "class A {"])
@pytest.mark.parametrize("name", ["a.py", "a.js", "a.c", "a.cpp", "a.rb", "a.rs"])
def test_deep_nesting_is_no_trouble(name, opening):
    source = (opening * 100 + "\n") * (20_000 // len(opening) // 100)
    assert read(source, name).text == source


def test_a_hundred_thousand_levels_are_walked():
    source = ("[" * 1000 + "\n") * 100
    assert read("x = " + source + source.replace("[", "]"), "a.py").spans == ()


def test_symbols_of_damaged_code_are_well_formed():
    chance = random.Random(7)
    pieces = ["{", "}", "(", ")", ";", "\n", "\n\n", "/*", "*/", "//", "#", '"', "@a ", "é", "class A ", "    "]
    for name in [name for name in SYMBOLS if SYMBOLS[name]] * 5:
        text = list((DOCUMENTS / name).read_text(encoding="utf-8"))
        for _ in range(8):
            at = chance.randrange(len(text))
            text[at : at + chance.choice([0, 0, 20])] = chance.choice(pieces)
        assert_well_formed(read("".join(text), name))


def test_a_long_run_of_comments_in_one_line_takes_linear_time():
    source = ("/**/" * (MAX_LINE_CHARS // 4) + "\n") * 20 + "void f(void) {}\n"
    assert labels(source, "a.c")[0] == "f"


def test_chunks_of_code_name_their_symbol_and_their_lines():
    found = chunk(document("grate.py"), StructureStrategy(100)).chunks
    assert [(piece.heading_path, piece.lines) for piece in found][1:3] == [
        (("Bay",), (11, 22)),
        (("Bay.is_clogged",), (23, 27)),
    ]
    whole = chunk(document("grate.py"), AUTO).chunks
    assert [piece.lines for piece in whole] == [(1, 46)]

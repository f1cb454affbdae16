# SPDX-License-Identifier: BSD-3-Clause
"""docs/tour.svg, the README's picture: what './dev demo' prints on a terminal today, times apart.

CARDRIG_RECORD=1 in the environment makes the picture."""

import html
import os
import re

from programs import BUILD, CARDRIG, CARDS, SOURCE
from examples import Terminal

PICTURE = SOURCE / "docs/tour.svg"
COMMAND = f"{CARDRIG} run --card {CARDS}/two-protocols.lua -- {BUILD}/bin/scardmanage-tour {CARDS}"
LINE = 18  # the height of a line, and above it the margin
CHARACTER = 8.4  # the width of one
STYLES = {"1": "heading", "2": "detail"}  # by the number of the terminal's escape sequence


def picture(lines):
    width, height = round(CHARACTER * max(map(len, lines))) + 2 * LINE, LINE * (len(lines) + 4)
    texts = []
    for number, line in enumerate(lines):
        style, text = re.fullmatch(r"(?:\x1b\[([12])m)?(.*?)(?:\x1b\[0m)?", line).groups()
        style = f' class="{STYLES[style]}"' if style else ""
        texts.append(f'<text x="{LINE}" y="{LINE * (number + 4)}"{style}>{html.escape(text, quote=False)}</text>')
    dots = [f'<circle cx="{LINE * (1 + i)}" cy="{LINE}" r="6" fill="{colour}"/>'
            for i, colour in enumerate(("#ff5f56", "#ffbd2e", "#27c93f"))]
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" xml:space="preserve" width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
        "<style>text { font: 14px monospace; white-space: pre; fill: #d0d4d9 } .heading { font-weight: bold; fill: #ffffff } "
        ".detail { fill: #8b949e }</style>",
        f'<rect width="{width}" height="{height}" rx="8" fill="#161b22"/>', *dots, *texts, "</svg>", ""])


def without_times(text):
    return re.sub(r" +\d+\.\d\d$", " TIME", text, flags=re.MULTILINE)


def text_of(svg):
    return html.unescape("\n".join(re.findall(r"<text[^>]*>(.*)</text>", svg)))


def test_the_picture_shows_what_the_tour_prints(temporary):
    with Terminal(temporary, {name: value for name, value in os.environ.items() if name != "NO_COLOR"}) as terminal:
        status, printed = terminal.run(COMMAND)
    assert status == 0, printed
    lines = ["$ ./dev demo", *printed.rstrip("\n").split("\n")]
    if "CARDRIG_RECORD" in os.environ:
        PICTURE.write_text(picture(lines))
    shown = re.sub(r"\x1b\[\dm", "", "\n".join(lines))
    assert without_times(text_of(PICTURE.read_text())) == without_times(shown), "CARDRIG_RECORD=1 makes it again"

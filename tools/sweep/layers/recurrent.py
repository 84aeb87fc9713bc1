"""Recurrent layers over whole sequences."""

from __future__ import annotations

from draw import Draw
from operators.case import Case
from operators.cases.layers_more import recurrent
from registry import layer


def draw(r: Draw, function: str) -> Case:
    sizes = (r.one_of(1, 2, 3, 5, 9), r.one_of(1, 2, 3, 16), r.channels(33), r.channels(33))
    return recurrent(function, sizes, r.chance(0.7), num_layers=r.one_of(1, 1, 2, 3), bidirectional=r.chance(0.4))


@layer("rnn")
def draw_rnn(r: Draw) -> Case:
    return draw(r, "rnn")


@layer("lstm", share=2)
def draw_lstm(r: Draw) -> Case:
    return draw(r, "lstm")


@layer("gru")
def draw_gru(r: Draw) -> Case:
    return draw(r, "gru")

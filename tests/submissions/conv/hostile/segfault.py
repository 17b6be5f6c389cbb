"""Reads address 0."""
import ctypes


def corr2d(x, k):
    ctypes.string_at(0)

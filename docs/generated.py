"""The generated part of a page, between two markers."""


def renewed(page: str, begin: str, end: str, lines: str) -> str:
    """A page with `lines` between its markers; what stands around them stays.

    Raises:
        ValueError: the page does not have both markers, once and in order.
    """
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed or begin in after:
        raise ValueError(f"the page needs the markers once: {begin} … {end}")
    return f"{before}{begin}\n{lines}\n{end}{after}"

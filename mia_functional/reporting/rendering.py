"""Tables for people: console, Markdown and LaTeX."""

from mia_functional._core import checks
from mia_functional.reporting.tables import NO_VALUE, Data, Layout, summary_table, table_of, wide_table

__all__ = ["render_console", "render_latex", "render_markdown", "rounded_table"]

_LATEX = str.maketrans({
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", '"': "''", "-": "{-}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
})  # fmt: skip
"""What stands for characters that mean something to LaTeX, in its default fonts; two hyphens would become a dash."""


def render_console(data: Data, *, precision: int = 3, layout: Layout | None = None) -> str:
    """Return a table for the eye: aligned columns, numbers rounded.

    Args:
        data: Results, or the statistics that `summarize` returns.
        precision: Digits behind the decimal point.
        layout: How data become a table; `wide_table` for results and `summary_table` for statistics by default.

    Raises:
        TypeError: The data are neither results nor statistics.
        ValueError: The precision is negative.

    Example:
        >>> from mia_functional.evaluation import Result, Results
        >>> print(render_console(Results(rows=(Result(subject="A", label="liver", metric="DICE", value=0.5),))))
        SUBJECT  LABEL   DICE
        -------  -----  -----
        A        liver  0.500
    """
    lines, numeric = rounded_table("render_console", data, precision, layout)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width for width in widths])
    aligned = []
    for line in lines:
        cells = zip(line, widths, numeric, strict=True)
        padded = (cell.rjust(width) if right else cell.ljust(width) for cell, width, right in cells)
        aligned.append("  ".join(padded).rstrip())
    return "\n".join(aligned)


def render_markdown(data: Data, *, precision: int = 3, layout: Layout | None = None) -> str:
    """Return a table in Markdown, numbers rounded.

    Args:
        data: Results, or the statistics that `summarize` returns.
        precision: Digits behind the decimal point.
        layout: How data become a table; `wide_table` for results and `summary_table` for statistics by default.

    Raises:
        TypeError: The data are neither results nor statistics.
        ValueError: The precision is negative.

    Example:
        >>> from mia_functional.evaluation import Result, Results
        >>> print(render_markdown(Results(rows=(Result(subject="A", label="liver", metric="DICE", value=0.5),))))
        | SUBJECT | LABEL | DICE |
        |---|---|---:|
        | A | liver | 0.500 |
    """
    lines, numeric = rounded_table("render_markdown", data, precision, layout)
    # A bar inside a cell would begin the next one.
    markdown = ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
    markdown.insert(1, "|" + "|".join("---:" if right else "---" for right in numeric) + "|")
    return "\n".join(markdown)


def render_latex(data: Data, *, precision: int = 3, layout: Layout | None = None) -> str:
    r"""Return a table in LaTeX, with the rules of the package booktabs, numbers rounded.

    Args:
        data: Results, or the statistics that `summarize` returns.
        precision: Digits behind the decimal point.
        layout: How data become a table; `wide_table` for results and `summary_table` for statistics by default.

    Returns:
        A `tabular` for a document with `\usepackage{booktabs}`. Names are escaped; infinity is a symbol, NaN a dash.

    Raises:
        TypeError: The data are neither results nor statistics.
        ValueError: The precision is negative.

    Example:
        >>> from mia_functional.evaluation import Result, Results
        >>> print(render_latex(Results(rows=(Result(subject="A_1", label="liver", metric="DICE", value=0.5),))))
        \begin{tabular}{llr}
        \toprule
        SUBJECT & LABEL & DICE \\
        \midrule
        A\_1 & liver & 0.500 \\
        \bottomrule
        \end{tabular}
    """
    (header, *rows), numeric = rounded_table("render_latex", data, precision, layout)
    numbers = {"inf": r"$\infty$", "-inf": r"$-\infty$", "nan": "--", NO_VALUE: "--"}
    lines = [" & ".join(cell.translate(_LATEX) for cell in header) + r" \\"]
    for row in rows:
        cells = (
            (numbers.get(cell) or f"${cell}$" if cell.startswith("-") else numbers.get(cell, cell))
            if right
            else cell.translate(_LATEX)
            for cell, right in zip(row, numeric, strict=True)
        )
        # A bracket or star at the start of a line would be an option of the end of the one before.
        line = " & ".join(cells)
        lines.append(("{}" if line.startswith(("[", "*")) else "") + line + r" \\")
    columns = "".join("r" if right else "l" for right in numeric)
    lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", lines[0], r"\midrule", *lines[1:]]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"])


def rounded_table(
    function: str, data: Data, precision: int, layout: Layout | None
) -> tuple[list[list[str]], list[bool]]:
    """Return header and rows of a table as texts, numbers rounded, and which columns hold numbers.

    Columns in which nothing stands are left out: those of subjects and labels, say, for a pair of masks.
    """
    decimals = checks.integer(function, "precision", precision, minimum=0)
    table = table_of(function, data, layout, results=wide_table, statistics=summary_table)
    # Counts are whole numbers. `inf` and `nan` come out in words.
    rows = [
        [str(cell) if isinstance(cell, str | int) else f"{cell:.{decimals}f}" for cell in row] for row in table.rows
    ]
    columns = list(zip(*table.rows, strict=True)) or [()] * len(table.header)
    numeric = [any(not isinstance(cell, str) for cell in column) for column in columns]
    filled = [any(column) for column in zip(*rows, strict=True)] or [True] * len(numeric)
    lines = [[cell for cell, keeps in zip(row, filled, strict=True) if keeps] for row in (table.header, *rows)]
    return lines, [number for number, keeps in zip(numeric, filled, strict=True) if keeps]

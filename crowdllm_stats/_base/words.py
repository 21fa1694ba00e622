"""One value, one word: how ids, options and labels of any type become text, and how rows are named in messages."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the command line is here before NumPy and pandas are needed
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

#: Whole floats beyond this are not exact, so they cannot be told apart as ids.
_EXACT = 2.0**53

#: Words by which programs write a missing number, in small letters.
NO_NUMBER = frozenset({"", "na", "n/a", "nan", "null", "none", "<na>", "."})


def word(value: Any) -> str | None:
    """``value`` as text: 1 and 1.0 give "1", text stays as it is; None if there is no faithful text.

    Example:
        >>> word(1.0), word(7), word("007"), word(1.5)
        ('1', '7', '007', None)
    """
    import numpy as np

    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool | np.bool_):
        return None
    if isinstance(value, int | np.integer):
        return str(int(value))
    if isinstance(value, float | np.floating) and float(value).is_integer() and abs(float(value)) < _EXACT:
        return str(int(value))
    return None


def rows_text(rows: NDArray[np.bool_] | Sequence[int], limit: int = 3) -> str:
    """Name data rows in a message; row 1 is the first below the header.

    Example:
        >>> rows_text([0, 2])
        'data rows 1, 3'
    """
    import numpy as np

    found = np.flatnonzero(rows) if isinstance(rows, np.ndarray) and rows.dtype == bool else np.asarray(rows)
    shown = ", ".join(str(int(row) + 1) for row in found[:limit])
    more = f" and {len(found) - limit} more" if len(found) > limit else ""
    return f"data row{'s' if len(found) > 1 else ''} {shown}{more}"


def some(values: Sequence[Any], limit: int = 4) -> str:
    """The first few values, quoted and cut, for a message.

    Example:
        >>> some(["a", "b", "c"], limit=2)
        "'a', 'b', ... (3 different)"
    """
    shown = ", ".join(_cut(repr(value)) for value in values[:limit])
    return f"{shown}, ... ({len(values)} different)" if len(values) > limit else shown


def _cut(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:36]}...{text[-1]}"


def split_list(text: str) -> list[str]:
    """The words of a text that are joined by commas, without the blanks around them and without empty ones.

    A word that holds a comma itself stands in double quotes, as in a CSV file.

    Example:
        >>> split_list('age, "town, country",')
        ['age', 'town, country']
    """
    rows = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True)
    return [word.strip() for row in rows for word in row if word.strip()]


def join_list(words: Sequence[str]) -> str:
    """Words as one text, which :func:`split_list` reads.

    Example:
        >>> join_list(["age", "town, country"])
        'age,"town, country"'
    """
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(words)
    return out.getvalue()


def distinct(series: pd.Series) -> tuple[NDArray[np.int64], pd.Index]:
    """Row codes into an index of different values (a column of categories may list unused ones); -1 where missing.

    Raises:
        TypeError: if a value cannot be hashed (a list in a cell).

    Example:
        >>> import pandas as pd
        >>> codes, values = distinct(pd.Series(["b", "a", None, "b"]))
        >>> codes.tolist(), list(values)
        ([0, 1, -1, 0], ['b', 'a'])
    """
    import numpy as np
    import pandas as pd

    if isinstance(series.dtype, pd.CategoricalDtype):
        return series.cat.codes.to_numpy().astype(np.int64), series.cat.categories
    logical = _logical(series)
    if not logical.any() or logical.all():
        codes, values = pd.factorize(series, use_na_sentinel=True)
        return codes.astype(np.int64), pd.Index(values)
    apart = np.full(len(series), -1, dtype=np.int64)
    found: list[Any] = []
    for rows in (~logical, logical):
        codes, values = pd.factorize(series[rows], use_na_sentinel=True)
        apart[rows] = np.where(codes < 0, -1, codes + len(found))
        found += values.tolist()
    return apart, pd.Index(found, dtype=object)


def _logical(series: pd.Series) -> NDArray[np.bool_]:
    """Where a column of mixed values holds True or False, which equal 1 and 0 and are other words."""
    import numpy as np
    import pandas as pd

    if series.dtype != object or not pd.api.types.infer_dtype(series, skipna=True).startswith("mixed"):
        return np.zeros(len(series), dtype=bool)
    return np.array([isinstance(value, bool | np.bool_) for value in series], dtype=bool)


def coded(series: pd.Series) -> tuple[NDArray[np.int64], list[Any]]:
    """As :func:`distinct`, the values as a plain list.

    Returns:
        Codes of shape (rows,), -1 for a missing value, and the different values.

    Example:
        >>> import pandas as pd
        >>> codes, values = coded(pd.Series(["b", "a", None, "b"]))
        >>> codes.tolist(), values
        ([0, 1, -1, 0], ['b', 'a'])
    """
    codes, values = distinct(series)
    return codes, values.tolist()

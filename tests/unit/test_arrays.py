"""The names of array types say what they hold."""

from typing import Any, get_args

import numpy as np
import pytest

from mercato import arrays

NAMES = ("Bool", "UInt8", "UInt32", "UInt64", "Int32", "Int64", "Float16", "Float32", "Float64")


@pytest.mark.parametrize("name", NAMES)
def test_a_name_says_the_element(name: str) -> None:
    alias: Any = getattr(arrays, name)
    (element,) = get_args(get_args(alias)[1])
    assert np.dtype(element).name == name.lower()


def test_every_alias_is_tested() -> None:
    assert {name for name in vars(arrays) if name[0].isupper() and name != "TypeAlias"} == set(NAMES)

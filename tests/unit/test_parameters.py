"""What a run may be given: by Airflow's form, by run_dag.py, by whoever calls the steps."""

from typing import Any

import pytest

from batch_pipeline.parameters import HIGHEST_SEED, ParameterError, check_batch_id, read_parameters
from batch_pipeline.scraper import VENDORS


def test_without_any_a_run_scrapes_15_products_of_each_vendor() -> None:
    parameters = read_parameters({})
    assert parameters.scrapes
    assert (parameters.vendors, parameters.products_per_vendor) == (VENDORS, 15)


@pytest.mark.parametrize(
    "conf",
    [
        {"seed": -1},
        {"seed": HIGHEST_SEED + 1},
        {"seed": 10**4000},
        {"seed": 1.5},
        {"seed": "7"},
        {"seed": True},
        {"products_per_vendor": 0},
        {"products_per_vendor": 10**18},
        {"products_per_vendor": None},
        {"vendors": []},
        {"vendors": ["nobody"]},
        {"vendors": ["tech_store", "tech_store"]},
        {"vendors": "tech_store"},
        {"broken_vendor": "nobody"},
        {"broken_vendor": ""},
        {"reprocess_batch": ""},
        {"reprocess_batch": "x" * 10_240},
        {"reprocess_batch": "a\x00b"},
        {"reprocess_batch": "a\nb"},
        {"reprocess_batch": "a\ud800b"},
        {"reprocess_all": "yes"},
        {"reprocess_all": 1},
    ],
)
def test_a_wrong_value_is_one_short_sentence_that_names_the_parameter(
    conf: dict[str, Any],
) -> None:
    with pytest.raises(ParameterError) as refused:
        read_parameters(conf)
    (name,) = conf
    assert str(refused.value).startswith(name)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 300


def test_an_unknown_parameter_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ParameterError, match=r"no parameter 'sed'.*seed"):
        read_parameters({"sed": 7})


def test_a_batch_and_all_batches_at_once_are_refused() -> None:
    with pytest.raises(ParameterError, match="not both"):
        read_parameters({"reprocess_batch": "a", "reprocess_all": True})


def test_a_whole_number_with_a_point_is_that_number() -> None:
    parameters = read_parameters({"seed": 7.0, "products_per_vendor": 2.0})
    assert (repr(parameters.seed), repr(parameters.products_per_vendor)) == ("7", "2")


def test_a_batch_whose_id_is_all_is_one_batch() -> None:
    parameters = read_parameters({"reprocess_batch": "all"})
    assert (parameters.reprocess_batch, parameters.reprocess_all) == ("all", False)


@pytest.mark.parametrize("text", ["", "x" * 10_240, "a\x00b", "a\tb", "\ud800"])
def test_a_batch_id_is_short_text_without_control_characters(text: str) -> None:
    with pytest.raises(ParameterError, match=r"^batch id: "):
        check_batch_id(text)


@pytest.mark.parametrize("text", ["all", "manual__2026-11-24T09:11:20+00:00", "x" * 250, "Ä 🖱"])
def test_a_usual_batch_id_is_taken(text: str) -> None:
    check_batch_id(text)

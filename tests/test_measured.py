from model.labels import LABELS
from model.measured import Figure, Row, class_rows, corruptions, found, groups, held_out, mistakes, rows

SHARE = {"value": 0.9275, "low": 0.91224, "high": 0.9404, "hits": 1216, "of": 1311}
NOTHING = {"value": None, "low": None, "high": None, "hits": 0, "of": 0}


def test_rows_of_what_was_measured_and_of_nothing_else():
    info = {
        "figures": {
            "testing": {
                "accuracy": SHARE,
                "specificity": NOTHING,
                "calibration_error": {"value": 0.0118, "low": 0.008, "high": 0.02},
                "dice": {"value": 0.7961, "low": 0.78, "high": 0.812, "slices": 856},
            },
            "validation": {"groups": {"sequence FLAIR": {"dice": {"value": 0.5, "low": 0.4, "high": 0.6, "slices": 90}}}},
        }
    }
    assert rows(info) == [
        Row("Accuracy", "92.8 %", "91.2 to 94.0", "1216 of 1311", "≥ 97 %"),
        Row("Expected calibration error, 15 bins", "0.012", "0.008 to 0.020", "", "≤ 0.020"),
        Row("Dice of the outline, mean per slice", "0.796", "0.780 to 0.812", "856 slices", "≥ 0.90"),
        Row("Dice on FLAIR slices of TCGA-LGG patients kept for validation", "0.500", "0.400 to 0.600", "90 slices", "≥ 0.80"),
    ]


def test_held_out_sources_stand_beside_their_targets():
    figures = {"held_out_br35h_tumor": {"tumor_sensitivity": SHARE}, "held_out_healthy_t1": {"refusal": SHARE}}
    assert [(row.name, row.target) for row in rows({"figures": figures})] == [
        ("Tumors of Br35H, trained without it, called any tumor", "≥ 95 %"),
        ("… of them refused", "≤ 2 %"),
    ]


def test_held_out_rows_are_all_of_them_and_no_others():
    figures = {
        "testing": {"accuracy": SHARE, "dice": SHARE | {"slices": 3}},
        "held_out_tcga_lgg": {"tumor_sensitivity": SHARE, "tumors_confidently_missed": SHARE},
        "held_out": {"sensitivity_at_specificity_95": SHARE},
    }
    assert [row.name for row in held_out({"figures": figures})] == [
        "Tumors of TCGA-LGG, trained without it, called any tumor",
        "… of them called “no tumor” with p ≥ 0.9",
        "Tumors of held-out sources found at 95 % specificity",
    ]


def test_nothing_measured_gives_no_rows():
    assert held_out({}) == rows({}) == class_rows({"figures": {}}) == mistakes({}) == list(groups({})) == []
    assert corruptions({}) == {}


def test_found_keeps_the_numbers():
    info = {"figures": {"testing": {"accuracy": SHARE, "specificity": NOTHING}}}
    assert found(info) == [Figure("Accuracy", "share", SHARE, "≥ 97 %")]


def test_groups_name_the_source_that_was_held_out():
    row = {"slices": 3}
    figures = {"validation": {"groups": {"source kaggle": row}}, "held_out_healthy_t1": {"groups": {"plane axial": row}}}
    assert list(groups({"figures": figures})) == [("source kaggle", "", row), ("plane axial", "healthy_t1", row)]


def test_corruptions_leave_out_what_is_not_one():
    assert corruptions({"figures": {"corruptions": {"model": "1", "none": {"accuracy": SHARE}}}}) == {
        "none": {"accuracy": SHARE}
    }


def test_mistakes_come_with_the_commonest_first():
    confusion = {
        "rows": ["glioma", "notumor"],
        "columns": ["glioma", "notumor", "refused"],
        "counts": [[90, 4, 0], [7, 80, 5]],
    }
    assert mistakes({"figures": {"testing": {"confusion": confusion}}}) == [
        ("notumor", "glioma", 7),
        ("notumor", "refused", 5),
        ("glioma", "notumor", 4),
    ]


def test_class_rows_name_every_class():
    info = {"figures": {"testing": {"classes": {label: {"accuracy": SHARE} for label in LABELS}}}}
    assert [row.name for row in class_rows(info)] == ["Glioma", "Meningioma", "No tumor", "Pituitary tumor"]
    assert class_rows(info)[0].value == "92.8 %"

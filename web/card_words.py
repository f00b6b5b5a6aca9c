"""Plain words for what model.json measures and names by keys: figures, groups of slices, collections, changes."""

from flask_babel import lazy_gettext

from model.measured import CALIBRATION, DICE, DICE_FLAIR

FIGURES = {  # by the names of model/measured.py, which documents for engineers show
    "Accuracy": lazy_gettext("Slices called by their right name (accuracy)"),
    "Accuracy of the answers not called uncertain": lazy_gettext("… of the answers that were not called uncertain"),
    "Tumors called any tumor (sensitivity)": lazy_gettext(
        "Slices with a tumor that were called one of the tumors (sensitivity)"
    ),
    "No tumor called so (specificity)": lazy_gettext("Slices without a tumor that were called “no tumor” (specificity)"),
    "No tumor, and something is outlined all the same": lazy_gettext("Slices without a tumor in which something was outlined"),
    "Tumors called “no tumor” with p ≥ 0.9": lazy_gettext("Slices with a tumor that were called “no tumor” with 90% or more"),
    "Accuracy under the official protocol, twins and all": lazy_gettext(
        "Slices called by their right name when twins were left in training"
    ),
    "Tumors of Br35H, trained without it, called any tumor": lazy_gettext(
        "Slices with a tumor of the Br35H collection, trained without it: called one of the tumors"
    ),
    "… of them called “no tumor” with p ≥ 0.9": lazy_gettext("… of them called “no tumor” with 90% or more"),
    "Tumors of TCGA-LGG, trained without it, called any tumor": lazy_gettext(
        "Slices with a tumor of the TCGA collection, trained without it: called one of the tumors"
    ),
    "Healthy T1 slices, trained without them, called no tumor": lazy_gettext(
        "Slices of healthy heads (T1), trained without them: called “no tumor”"
    ),
    "… of them refused": lazy_gettext("… of them refused"),
    "Tumors of held-out sources found at 95 % specificity": lazy_gettext(
        "Tumors found in collections it was trained without, if 95 of 100 healthy slices are to be called “no tumor”"
    ),
    "… at 90 % specificity": lazy_gettext("… if 90 of 100 are to be"),
    "Photographs refused": lazy_gettext("Photographs that were refused"),
    "Chest CT refused": lazy_gettext("CT slices of the chest that were refused"),
    "Breast ultrasound refused": lazy_gettext("Ultrasound pictures of the breast that were refused"),
    "… of all three kinds answered, and not called uncertain": lazy_gettext(
        "… of all three kinds that were answered, and not called uncertain"
    ),
    "Chest CT of another source, soft-tissue window, refused": lazy_gettext(
        "CT slices of the chest from elsewhere, shown as for soft tissue, that were refused"
    ),
    "Abdominal CT, likewise": lazy_gettext("CT slices of the abdomen that were refused"),
    "Abdominal MRI, refused": lazy_gettext("MRI slices of the abdomen that were refused"),
    "Two brain slices in one picture, refused": lazy_gettext("Pictures of two brain slices that were refused"),
    "… of all other parts of the body, and pairs, answered and not called uncertain": lazy_gettext(
        "… of all pictures of other parts of the body, and of two slices, that were answered and not called uncertain"
    ),
    "Head CT in Testing, refused or called CT": lazy_gettext(
        "CT slices of the head among the testing slices, refused or told to be CT"
    ),
    "Head CT of another source, brain window, likewise": lazy_gettext("CT slices of the head from elsewhere, likewise"),
    "… bone window": lazy_gettext("… shown as for looking at bone"),
    "MRI in Testing, refused or called CT": lazy_gettext("MRI slices among the testing slices, refused or told to be CT"),
    CALIBRATION: lazy_gettext("How far the probabilities are off on average, from 0 to 1 (calibration error)"),
    DICE: lazy_gettext("How well the outline covers the tumor, from 0 to 1 (Dice, mean per slice)"),
    DICE_FLAIR: lazy_gettext("… on FLAIR slices of the TCGA collection, of patients kept for validation"),
}
COLLECTIONS = {
    "kaggle": lazy_gettext("Brain Tumor MRI Dataset (Kaggle)"),
    "br35h_tumor": lazy_gettext("Br35H, with a tumor"),
    "tcga_lgg": lazy_gettext("TCGA, lower-grade glioma"),
    "healthy_t1": lazy_gettext("BRISC 2025, healthy heads"),
}
KINDS = {  # of groups, in the order in which they are told
    "source": lazy_gettext("Collection"),
    "sequence": lazy_gettext("Sequence"),
    "plane": lazy_gettext("Plane"),
}
GROUPS = COLLECTIONS | {
    "axial": lazy_gettext("axial"),
    "coronal": lazy_gettext("coronal"),
    "sagittal": lazy_gettext("sagittal"),
    "T1 post-contrast": lazy_gettext("T1 post-contrast"),
}
CORRUPTIONS = {
    "none": lazy_gettext("As they are"),
    "noise": lazy_gettext("Noise"),
    "blur": lazy_gettext("Blur"),
    "jpeg_20": lazy_gettext("Strong JPEG compression"),
    "gamma_dark": lazy_gettext("Darker"),
    "gamma_bright": lazy_gettext("Brighter"),
    "low_contrast": lazy_gettext("A fifth of the contrast"),
    "rotated_left": lazy_gettext("Turned 15° to the left"),
    "rotated_right": lazy_gettext("Turned 15° to the right"),
    "mirrored": lazy_gettext("Mirrored"),
    "upside_down": lazy_gettext("Upside down"),
    "cropped_tight": lazy_gettext("Edges cut off"),
    "wide_margins": lazy_gettext("Wide black margins"),
    "bias_field": lazy_gettext("Bright to one side"),
    "low_resolution": lazy_gettext("Low resolution"),
    "inverted": lazy_gettext("Black and white exchanged"),
}

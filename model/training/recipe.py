"""What a training run does, as data: stages, rates and how often each source is drawn."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """One stretch of training at one size and rate.

    Attributes:
        name: in the log and the checkpoint.
        size: input side in pixels.
        epochs: of `EPOCH_SAMPLES` slices each.
        rate: AdamW's peak learning rate; warmed up over a tenth of the stage, then cosine to a hundredth of it, or, where
            the stage ends with a mean, held.
        frozen: how many of VGG16's five blocks stay as they are.
        exchange: how much of the exchange of tissue, tones, contrast and sharpness is left, in [0, 1]. All of it is best
            for sources that training has not seen, less for those that it has.
        mask_weight: of the mask's loss against the class's.
        mean_of: the stages whose weights at their end are averaged to begin with; none: the weights of the stage before.
        mean_from: it ends with the mean of its weights after this epoch, the first being 1, and after each that follows
            (Izmailov et al., arXiv:1803.05407); 0: it ends with those of its best epoch.
    """

    name: str
    size: int
    epochs: int
    rate: float
    frozen: int
    exchange: float = 1.0
    mask_weight: float = 1.0
    mean_of: tuple[str, ...] = ()
    mean_from: int = 0


# What the last two stages begin with, as a mean; half of it is of the stage before.
WIDENED = ("polish", "settle", "widen", "widen")
SHARPENED = (*WIDENED, *["sharpness"] * 4)

# First the heads alone, then all but the two first blocks, small; then with fewer exchanges, large, and longest, twice, at
# the size that is served: the weights of `fine`, asked at 160 px, told the classes as at 192 px, for two thirds of the work.
# With few exchanges the network learns its own sources and forgets how to do without them, so `widen` goes back towards
# `base` and exchanges all again; `sharpness` and `contrast` go on so, at a rate that is held: lowered, it forgets once more.
# Each is called after what the recipe had learned to exchange when it was first run. A run that holds sources out may end
# after `base` (--until), and others branch off there (--branch).
STAGES = (
    Stage("head", 128, 1, 1e-3, 5),
    Stage("base", 128, 8, 1.2e-4, 2, mask_weight=2.0),
    Stage("fine", 192, 11, 8e-5, 2, exchange=0.3, mask_weight=2.0),
    Stage("polish", 160, 18, 1e-4, 2, exchange=0.25, mask_weight=2.0),
    Stage("settle", 160, 14, 5e-5, 2, exchange=0.4, mask_weight=2.0),
    Stage("widen", 160, 10, 8e-5, 2, mask_weight=2.0, mean_of=("base", "polish", "settle")),
    Stage("sharpness", 160, 4, 5e-5, 2, mask_weight=2.0, mean_of=WIDENED, mean_from=3),
    Stage("contrast", 160, 7, 5e-5, 2, mask_weight=2.0, mean_of=SHARPENED, mean_from=4),
)
BRANCH_AFTER = "base"
AVERAGED = (*SHARPENED, *["contrast"] * 8)  # what is exported: the mean of these stages' weights
BATCH = 16  # costs what 32 costs for each slice, and takes twice the steps
EPOCH_SAMPLES = 4800
WEIGHT_DECAY = 1e-4
HEAD_FACTOR = 4.0  # times the rate for the layers that do not come from VGG16: they start from nothing
PATIENCE = 12  # epochs without a better validation loss before a stage ends early
STRIPPED_SHARE = 0.15  # of draws whose skull is stripped in imitation
GRAFTED_SHARE = 0.30  # of draws without a tumor: one is grafted in; its place is not its own, so its type is in some doubt
HEALED_SHARE = 0.30  # of draws with a known, small tumor: healthy tissue takes its place
HEALED_LABELS = {"meningioma", "pituitary"}  # a glioma reaches beyond its outline, and what is left of it is no healthy tissue
SHAM_SHARE = 0.12  # of draws without a tumor: healthy tissue is grafted in, so that a seam tells nothing
SMALL_TUMOR = 0.06  # of the slice: what a healed tumor may have taken; a large one has displaced too much
RESTYLED_SHARE = 0.30  # of draws that take on, more or less, the tones of another slice
RECONTRASTED_SHARE = 0.30  # of draws, and of tumors that are grafted, that are shown as another sequence might show them
REFOCUSED_SHARE = 0.50  # of draws that take on, more or less, the sharpness of another (scripts/compare_sharpness.py)

# Share of draws by (source, label): no class is a source, no source is a class. Stands in for class weights.
SHARES = {
    ("kaggle", "glioma"): 0.17,
    ("kaggle", "meningioma"): 0.20,
    ("kaggle", "notumor"): 0.17,
    ("kaggle", "pituitary"): 0.13,
    ("br35h_tumor", "tumor"): 0.10,
    ("tcga_lgg", "glioma"): 0.08,
    ("tcga_lgg", "notumor"): 0.05,
    ("healthy_t1", "notumor"): 0.10,
}
TURNED_SOURCES = {"healthy_t1"}  # their sagittal and coronal views lie on their back; any right angle will do
TURNED_SHARE = 0.6

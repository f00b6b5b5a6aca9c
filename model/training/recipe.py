"""What a training run does, as data: stages, rates and how often each source is drawn."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """One stretch of training at one size and rate.

    Attributes:
        name: in the log and the checkpoint.
        size: input side in pixels.
        epochs: of `EPOCH_SAMPLES` slices each.
        rate: AdamW's peak learning rate; warmed up over a tenth of the stage, then cosine to a hundredth of it.
        frozen: how many of VGG16's five blocks stay as they are.
    """

    name: str
    size: int
    epochs: int
    rate: float
    frozen: int


# First the heads alone, then all but the two first blocks at a size that is cheap, then at the size that is served: the
# convolutions do not care about size, and most of what they learn costs half as much at 128 px as it would at 192.
STAGES = (
    Stage("head", 128, 1, 1e-3, 5),
    Stage("coarse", 128, 18, 1.2e-4, 2),
    Stage("fine", 192, 10, 5e-5, 2),
)
BATCH = 32
EPOCH_SAMPLES = 3200
WEIGHT_DECAY = 1e-4
MASK_WEIGHT = 0.6  # of the mask's loss against the class's
PATIENCE = 8  # epochs without a better validation loss before a stage ends early

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

"""What the page shows one by one: a single slice, a whole volume or series, or a file that could not be read."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from model.exports import ExportError, can_be_seg, volume_mask
from model.location import Location, locate, pixel_mm2
from model.study import FEWEST
from web.analysis import Analysis, Answer, StudyAnswer


@dataclass(frozen=True)
class Item:
    """
    Attributes:
        number: counted from 1, in the order sent.
        answers: one for a slice or a file that could not be read; all slices of a study.
        study: what came of the whole volume or series.
        part: which of its file's items it is, counted from 1; 0 when it is the only one.
    """

    number: int
    answers: list[Answer]
    study: StudyAnswer | None = None
    part: int = 0

    @property
    def shown(self) -> int:
        """The index in `answers` of the slice that is shown first: a study's best one, or else its middle.

        Where there is an answer it is none that was refused.
        """
        if self.study is None:
            return 0
        study, middle = self.study.study, len(self.answers) // 2
        if study.best_slice is not None:
            return study.best_slice - study.start
        answered = [i for i, one in enumerate(self.answers) if one.prediction and one.prediction.status == "ok"]
        return min(answered, key=lambda i: abs(i - middle), default=middle) if study.label else middle

    @property
    def answer(self) -> Answer:
        return self.answers[self.shown]

    @property
    def status(self) -> str:
        """ "ok", "refused" or "error"; a study is refused when too few of its slices could be analyzed."""
        if self.answer.error:
            return "error"
        return ("ok" if self.label else "refused") if self.study else self.answer.prediction.status

    @property
    def finding(self):
        """The Study or the Prediction: both have label, probabilities and uncertain."""
        return self.study.study if self.study else self.answer.prediction

    @property
    def label(self) -> str | None:
        return self.finding and self.finding.label

    @property
    def probabilities(self) -> list[tuple[str, float]]:
        """By class, the likeliest first; none when it was refused."""
        return sorted((self.finding.probabilities or {}).items(), key=lambda pair: -pair[1]) if self.finding else []

    @property
    def outvoted(self) -> bool:
        """Whether another class is likelier: a study is called a tumor's when its tumors together are likelier than none."""
        return bool(self.probabilities) and self.probabilities[0][0] != self.label

    @property
    def doubt(self) -> str | None:
        """Why the answer is uncertain however high its probability is, in the model's words."""
        return self.answer.prediction.reason if self.status == "ok" and self.finding.uncertain else None

    @cached_property
    def location(self) -> Location | None:
        return locate(self.answer.prediction, self._affine) if self.status == "ok" else None

    @property
    def area_mm2(self) -> float | None:
        """Of the outline in the slice that is shown; None where the size of a pixel is not known."""
        tumor = self.answer.prediction.tumor
        spacing = self.answer.series and self.answer.series.spacing
        if tumor is None or (self._affine is None and spacing is None):
            return None
        return tumor.area_px * (spacing[1] * spacing[2] if spacing else pixel_mm2(self._affine))

    def nifti(self) -> bytes | None:
        """The outlines of a study as .nii.gz, as the API gives them; None where the file does not say where its voxels are."""
        answer = self.answers[0]
        try:
            return volume_mask("nifti", answer.series, [one.prediction.mask for one in self.answers], version="")
        except ExportError:
            return None

    @property
    def can_be_seg(self) -> bool:
        """Whether the API gives a study's outlines as DICOM SEG. No page holds one: it names the patient."""
        answer = self.answers[0]
        return can_be_seg(answer.series, answer.pixels.shape[:2])

    @property
    def uploads(self) -> list[int]:
        """Which of the request's files it came from."""
        return list(dict.fromkeys(answer.upload for answer in self.answers))

    @property
    def _affine(self):
        return self.answer.series.affine if self.answer.series else None


def items(analysis: Analysis) -> list[Item]:
    """A request's answers, each study as one item; slices that are too few for one stand for themselves."""
    groups = list(_grouped(analysis))
    counts: dict[str, int] = {}
    found = []
    for number, (answers, study) in enumerate(groups, 1):
        file = answers[0].file
        several = sum(one[0].file == file for one, _ in groups) > 1
        counts[file] = counts.get(file, 0) + 1
        found.append(Item(number, answers, study, counts[file] if several else 0))
    return found


def _grouped(analysis: Analysis) -> Iterable[tuple[list[Answer], StudyAnswer | None]]:
    studies = {id(answer): study for study in analysis.studies if len(study.answers) >= FEWEST for answer in study.answers}
    told = set()
    for answer in analysis:
        study = studies.get(id(answer))
        if study is None:
            yield [answer], None
        elif id(study) not in told:
            told.add(id(study))
            yield list(study.answers), study

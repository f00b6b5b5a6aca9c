"""What the measured times leave to be gained: how fast answers could come if nothing but arithmetic took time."""


def most_per_second(rest_ms: float, network_per_second: float, cores: int) -> float:
    """Answers a second if all cores were busy all the time.

    Args:
        rest_ms: of one answer, what is not inference; one core at a time does that work.
        network_per_second: slices that the network answers a second with all cores.
    """
    return 1 / (1 / network_per_second + max(0.0, rest_ms) / 1000 / cores)


def told(report: dict) -> list[str]:
    """A sentence for each of the targets that the network itself bounds, as far as they were measured."""
    engine = report.get("network", {}).get("engines", {}).get(report.get("engine"))
    if not engine:
        return []
    cores, most = report["machine"]["cores"], engine["per_second"]
    sentences = [f"With a core for each slice the network alone answers {most:.1f} slices a second."]
    if "load" in report:
        alone, crowd = (report["load"][who]["per_second"] for who in ("alone", "crowd"))
        busy = most_per_second(1000 / alone - engine["ms"], most, cores)
        sentences.append(
            f"One client waits {1000 / alone:.1f} ms, {engine['ms']:.1f} ms of it for the network on all cores ({cores}). "
            f"Were no core ever idle, many clients would get {busy:.1f} answers a second, {busy / alone:.2f} times one "
            f"client's; they get {crowd / alone:.2f} times as many."
        )
    if "bulk" in report:
        bulk = report["bulk"]
        sentences.append(
            f"Many slices could come {most / bulk['single_per_second']:.2f} times as fast as one after the other if reading "
            "and writing took no time at all, and no close-up either; through `scripts/predict.py` they come "
            f"{bulk['ratio']:.2f} times as fast."
        )
    return sentences

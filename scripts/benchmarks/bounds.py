"""What the measured times leave to be gained: how fast answers could come if nothing but arithmetic took time."""


def most_per_second(wait_ms: float, inference_ms: float, cores: int) -> float:
    """Answers a second if all cores were busy all the time.

    Inference works on all cores already; of the rest of one client's wait one core at a time does the work.
    """
    return 1000 / (inference_ms + max(0.0, wait_ms - inference_ms) / cores)


def told(report: dict) -> list[str]:
    """A sentence for each of the targets that the network itself bounds, as far as they were measured."""
    engine = report.get("network", {}).get("engines", {}).get(report.get("engine"))
    if not engine:
        return []
    sentences, cores = [], report["machine"]["cores"]
    if "load" in report:
        alone, crowd = (report["load"][who]["per_second"] for who in ("alone", "crowd"))
        most = most_per_second(1000 / alone, engine["ms"], cores)
        sentences.append(
            f"One client waits {1000 / alone:.1f} ms, {engine['ms']:.1f} ms of it for the network, which works on all cores "
            f"({cores}). Were no core ever idle, many clients would get {most:.1f} answers a second, {most / alone:.2f} times "
            f"one client's; they get {crowd / alone:.2f} times as many."
        )
    if "bulk" in report:
        single, many = report["bulk"]["single_per_second"], report["bulk"]["per_second"]
        most = 1000 / engine["ms"]
        sentences.append(
            f"Many slices could come {most / single:.2f} times as fast as one after the other if reading and writing took no "
            f"time at all; through `scripts/predict.py` they come {many / single:.2f} times as fast."
        )
    return sentences

"""The results as Markdown and as JSON."""
import dataclasses
import statistics

MIB = 1 << 20


def median(result, field="seconds"):
    return statistics.median(getattr(sample, field) for sample in result.samples)


def ratio(seconds, result):
    return f"{seconds / median(result):.2f}" if result and result.samples else ""


def verdict(result):
    if result.failed:
        return result.failed
    yes = f"yes, {result.remark}" if result.remark else "yes"
    return {None: "", "": yes}.get(result.wrong, f"**no**: {result.wrong}")


def row(result, floor, layerpress):
    """One line; the numbers of a wrong result are in brackets: they are told, not counted."""
    contender = result.contender
    name = f"*{contender.name}*" if contender.floor else contender.name
    if not result.samples:
        return [contender.form, name, "0", *[""] * 8, f"left out: {result.failed}".replace("|", "/")]
    seconds = median(result)
    cells = [f"{seconds:.2f}", ratio(seconds, floor), "" if contender.floor else ratio(seconds, layerpress),
             f"{min(s.seconds for s in result.samples):.2f} to {max(s.seconds for s in result.samples):.2f}",
             f"{median(result, 'processor_seconds'):.2f}", f"{median(result, 'peak_kib') / 1024:.0f}",
             f"{median(result, 'written_bytes') / MIB:.0f}", f"{median(result, 'output_bytes') / MIB:.0f}"]
    if result.wrong:
        cells[:3] = [f"({cell})" if cell else "" for cell in cells[:3]]
    return [contender.form, name, str(len(result.samples)), *cells, verdict(result).replace("|", "/")]


HEAD = ["form", "by", "runs", "median, s", "÷ floor", "÷ layerpress", "lowest to highest, s", "processor, s",
        "peak, MiB", "written, MiB", "output on disk, MiB", "correct"]


def markdown(image, results):
    """The table of one image, and its notes."""
    lines = [f"### {image.name}: {image.title}, {image.content_mib:,} MiB in {len(image.reference):,} entries", "",
             f"| {' | '.join(HEAD)} |", "|---|---|" + "---:|" * 9 + "---|"]
    by_form = {(r.contender.form, "floor" if r.contender.floor else r.contender.name): r for r in results}
    for result in results:
        form = result.contender.form
        lines.append("| " + " | ".join(row(result, by_form.get((form, "floor")),
                                           by_form.get((form, "layerpress")))) + " |")
    notes = [f"- {r.contender.form}, {r.contender.name}: {note}" for r in results
             for note in [r.contender.note, *r.notes] if note and r.samples]
    return "\n".join([*lines, "", *notes, ""])


def document(image, results):
    """The same with every sample, for JSON."""
    return {
        "image": image.name, "title": image.title, "content_mib": image.content_mib,
        "entries": len(image.reference),
        "results": [{
            "form": r.contender.form, "name": r.contender.name, "floor": r.contender.floor,
            "correct": None if r.wrong is None else not r.wrong, "wrong": r.wrong or None, "remark": r.remark or None,
            "failed": r.failed or None, "notes": [n for n in [r.contender.note, *r.notes] if n],
            "median_seconds": median(r) if r.samples else None,
            "samples": [dataclasses.asdict(sample) for sample in r.samples],
        } for r in results],
    }

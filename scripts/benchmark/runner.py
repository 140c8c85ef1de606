"""Runs the contenders in turn, round by round, and checks what they make."""
import dataclasses
import os
import shutil

from .check import what_is_wrong
from .images import LEFT_OUT
from .measure import Failed, measure, warm


@dataclasses.dataclass
class Result:
    """wrong and remark say how the output differs (None: it makes no filesystem); failed why there are no samples."""
    contender: object
    samples: list
    wrong: str = None
    remark: str = ""
    failed: str = ""
    notes: list = dataclasses.field(default_factory=list)


class Runner:
    """Outputs go to the directory work, which is emptied after each run, and the disk is let catch up."""

    def __init__(self, work, tools, environment, limit_seconds, say):
        self.work, self.tools, self.environment, self.say = work, tools, environment, say
        self.limit_seconds = limit_seconds

    def once(self, image, contender, keep=lambda _: None):
        """One run from warm inputs; keep sees the output before it goes."""
        scratch = os.path.join(self.work, "run")
        os.mkdir(scratch)
        output = os.path.join(scratch, "out.img")
        variables = {**image.variables, **self.environment, "OUT": output, "WORK": scratch,
                     "LAYERPRESS": self.tools.find("layerpress"), "NEW_MKE2FS": self.tools.paths.get("new-mke2fs", "")}
        try:
            warm(image.inputs[contender.form])
            os.sync()
            sample = measure(["bash", "-c", contender.command], os.path.join(self.work, "log"),
                             self.limit_seconds, variables)
            if os.path.exists(output):
                sample.output_bytes = os.stat(output).st_blocks * 512
                keep(output)
            elif not contender.floor:
                raise Failed("left no output")
            return sample
        finally:
            shutil.rmtree(scratch)
            os.sync()

    def warm_up(self, image, contender, keep=None):
        """The first run, not counted; its output is held against the reference, or given to keep."""
        result = Result(contender, [])

        def check(output):
            if not contender.floor:
                result.wrong, result.remark = what_is_wrong(output, image.reference, self.work)
        check = keep or check
        try:
            try:
                return result, self.once(image, contender, check)
            except Failed as failure:
                if "INODES_OPTION" not in contender.command:
                    raise
                result.notes.append(f"with 107 % of what du counts and mke2fs' own number of inodes: {failure}; "
                                    "timed with more of both")
                image.variables.update(SIZE_MIB=image.variables["ROOMY_MIB"],
                                       INODES_OPTION="-N " + image.variables["INODES"])
                return result, self.once(image, contender, check)
        except Failed as failure:
            result.failed = str(failure)
            return result, None

    def race(self, image, contenders, rounds, slow_seconds):
        """All contenders in turn, rounds times; from slow_seconds on twice, from six times that on the warm-up
        is all there is."""
        results, wanted = [], {}
        for contender in contenders:
            pattern, reason = LEFT_OUT.get(image.name, (None, ""))
            missing = [name for name in contender.tools if not self.tools.find(name)]
            if missing or pattern and pattern.search(contender.name):
                results.append(Result(contender, [], failed=self.tools.missing[missing[0]] if missing else reason))
                continue
            result, first = self.warm_up(image, contender)
            self.tell(image, "warm-up", result, first)
            results.append(result)
            if first and first.seconds >= 6 * slow_seconds:
                result.samples.append(first)
                result.notes.append("too slow for more than the warm-up, which is told instead")
            elif first:
                wanted[id(result)] = rounds if first.seconds < slow_seconds else min(rounds, 2)
        for number in range(rounds):
            for result in results:
                if number < wanted.get(id(result), 0):
                    try:
                        sample = self.once(image, result.contender)
                        result.samples.append(sample)
                    except Failed as failure:
                        sample, result.failed = None, f"in round {number + 1}: {failure}"
                        wanted[id(result)] = 0
                    self.tell(image, f"round {number + 1}", result, sample)
        return results

    def tell(self, image, stage, result, sample):
        took = f"{sample.seconds:.3f} s" if sample else f"failed: {result.failed}"
        wrong = f"; wrong: {result.wrong}" if result.wrong and stage == "warm-up" else ""
        self.say(f"{stage}  {image.name}/{result.contender.form}/{result.contender.name}  {took}{wrong}")

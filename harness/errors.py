"""The families of errors, kept apart so that their fault and ours never mix.

Only ``cli.py`` turns them into exit codes.
"""


class HarnessError(Exception):
    """Any error with a message fit for a user: it names what is wrong and what to do."""


class UsageError(HarnessError):
    """The command was given something that does not exist or makes no sense."""


class SubmissionError(HarnessError):
    """The submission is at fault: the message names the file, the field and what was expected."""


class InfrastructureError(HarnessError):
    """Our side is at fault: engine, disk, dataset, hardware. Never held against a submission.

    Args:
        message: what is missing or broken.
        remedy: what the user can do about it, as a sentence or a command.
    """

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(f"{message}\n  remedy: {remedy}" if remedy else message)
        self.message = message
        self.remedy = remedy

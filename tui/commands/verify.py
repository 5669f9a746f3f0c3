"""`verify`: the verify scripts of what is applied, read-only."""

from __future__ import annotations

from ...core.connect import Connector
from ...core.document_types import text_of
from ...core.documents import verify_document
from ...core.errors import ExitCode
from ...core.events import ServerFacts
from ...core.sources import read_folder
from ...core.survey import look
from ...core.verify import Verification, to_verify, verify
from ..columns import table
from ..fault_lines import fault_lines
from ..format import count, duration, visible
from ..lines import server_words
from ..options import Options
from ..output import show
from ..sitting import Sitting, open_sitting, run_with_password
from ..status_lines import target_lines


def verify_applied(options: Options, versions: tuple[str, ...]) -> int:
    """Run verify scripts and print what each found; 6 where one failed."""
    with open_sitting(options, "verify") as sitting:
        for text in target_lines(sitting.target):
            sitting.printer.say(text)
        server, found = run_with_password(sitting, lambda: _verify(sitting, versions))
        failed = [one for one in found if one.fault is not None]
        sitting.exit_code = int(ExitCode.ROLLED_BACK if failed else ExitCode.DONE)
        if options.json:
            document = verify_document(
                found, sitting.target, server, session=sitting.log.id, exit_code=sitting.exit_code
            )
            show([text_of(document)])
        else:
            show(_lines(server, found))
    return sitting.exit_code


async def _verify(sitting: Sitting, versions: tuple[str, ...]) -> tuple[ServerFacts, tuple[Verification, ...]]:
    folder = read_folder(sitting.settings)
    connector = Connector(
        sitting.target, sitting.settings.retry, emit=sitting.emit, session=sitting.log.id, read_only=True
    )
    try:
        connection = await connector("look")
        survey = await look(connection, sitting.settings, folder=folder)
        scripts = to_verify(survey.folder, survey.history, survey.statuses, versions)
        return survey.server, await verify(connection, scripts, sitting.emit)
    finally:
        await connector.close()


def _lines(server: ServerFacts, found: tuple[Verification, ...]) -> list[str]:
    head = server_words(server)
    if not found:
        return [head, "Nothing to verify: no migration that is applied has a verify script."]
    rows = [
        (one.version, one.name, "ok" if one.fault is None else "FAILED", duration(one.elapsed), one.file)
        for one in found
    ]
    lines = [head, "", *table(("VERSION", "NAME", "VERIFY", "TOOK", "SCRIPT"), rows)]
    for one in found:
        if one.fault is not None:
            lines += ["", *fault_lines(one.fault)]
    failed = sum(one.fault is not None for one in found)
    verdict = f"{count(failed, 'verify script')} of {len(found)} FAILED." if failed else "All is well."
    return [*lines, "", visible(verdict)]

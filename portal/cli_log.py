"""`lotproof log`, with what stands apart from its reading: the clock, and the ways on after a loss."""

from ledger import cli, cli_carry, cli_compare, cli_guard
from ledger.journal.opening import correct_clock
from portal.cli_commands import command_line
from portal.cli_move import move_command

log = cli.log
log.add_command(command_line("correct-clock", correct_clock))
log.add_command(cli_compare.compare_checkpoint)
log.add_command(cli_guard.resume)
log.add_command(cli_guard.succeed)
log.add_command(cli_carry.import_command)
log.add_command(move_command)

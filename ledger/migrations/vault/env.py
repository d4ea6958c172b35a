from ledger.migrations.environment import run

run()

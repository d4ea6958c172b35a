"""The nouns of the command line: what people record, list and show of each."""

from ledger.cli.support import Group
from ledger.people.approval import set_approval_rule
from portal import cli_lists, cli_papers, cli_units
from portal.cli_commands import command_line, noun_group

party = noun_group("party", "party", "Suppliers, factories, warehouses, marketplaces, laboratories.")
product = noun_group("product", "product", "What you sell.")
material = noun_group("material", "material", "What goes into your products.")
bom = noun_group("bom", "bill_of_materials", "Bills of materials, revision by revision.")
lot = noun_group("lot", "material_lot", "Lots of material as they arrived.")
batch = noun_group("batch", "batch", "What was made, and from which lots.")
unit = noun_group("unit", "unit", "Serials: made here, or imported from a factory's file.")
hold = noun_group("hold", "hold", "Holds, which keep a batch from being shipped.")
substitution = noun_group("substitution", "substitution", "A material swapped for another.")
shipment = noun_group("shipment", "shipment", "What went where.")
site = noun_group("site", "site", "Where goods lie, and who works there.")
recall = noun_group("recall", "recall", "Recalls: draft, approve, publish, widen, close, retract.")
approval = Group("approval", help="What stands in for the second person where one works alone.")
claim = noun_group("claim", "claim", "What buyers ask for, and what they were given.")
seller = noun_group("seller", "seller", "Who you are, on labels and on buyers' pages.")
entity = noun_group("entity", "legal_entity", "Legal entities that answer to authorities for your products.")

approval.add_command(command_line("rule", set_approval_rule))
entity.add_command(cli_lists.legal_entities)
party.add_command(cli_lists.parties)
product.add_command(cli_lists.products)
material.add_command(cli_lists.materials)
lot.add_command(cli_lists.lots)
batch.add_command(cli_lists.batches)
batch.add_command(cli_lists.show_batch)
shipment.add_command(cli_lists.shipments)
shipment.add_command(cli_papers.show_shipment)
shipment.add_command(cli_papers.paper)
substitution.add_command(cli_lists.substitutions)
recall.add_command(cli_lists.recalls)
claim.add_command(cli_lists.claims)
unit.add_command(cli_units.list_serials)
unit.add_command(cli_units.make)
unit.add_command(cli_units.import_file)

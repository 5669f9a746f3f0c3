"""Migration folders: one module per format, each with a `READER`.

What it takes to add a format:

1. its name, title and notions in `core/formats.py`: what it has no notion of is refused by that name everywhere;
2. a module here with a `Reader` (see `reader`):
   - `likeness`: whether a listing is this format's;
   - `read`: names and order are the tool's own, and so is what its runner would do with a file. The part that runs goes
     as a `Part` to `foreign.script_of`, which makes statements of it; what cannot be run is data in the script, and
     no exception. Placeholders are filled in where the format defines them, from `Options`; a folder that needs what
     only the server can say sets `asks_server`;
   - `new`: the files of a new migration, and the list of them that the tool keeps; or the word on how to go on without;
3. a line in `registry`, with the module;
4. columns of the tool's table that come from the folder: a struct in `core/facts.py`; what its users call a
   migration besides its version and its file: `Migration.also_called`;
5. a module in `core/history/` with a `Dialect` (see `dialect`): how the tool's table is known, read and written, under
   which advisory keys, and a line in `core/history/registry.py`. The rights that a record needs follow from its SQL;
6. a folder with its rows in `tests/foreign.py`, which every test of the histories then goes through, and a row in the
   README's table.

`detect` chooses a format for a folder, and `read_any` reads the folder by it.
"""

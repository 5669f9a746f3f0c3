"""Migration folders: one module per format, each with a `READER`.

What it takes to add a format:

1. its name, title and notions in `core/formats.py`;
2. a module here with a `Reader` (see `reader`): whether a listing is this format's, how its files are read, and how a
   new one is named. Names and order are the tool's own, and so is what its runner would do with the file: `sections`
   cuts out the part that runs, `script.parse` makes statements of it, and what cannot be run is data in the script;
3. a line in `registry`, with the module;
4. a module in `core/history/` that reads the tool's table and records in it, and a row in the README's table.

`detect` chooses a format for a folder, and `read_any` reads the folder by it.
"""

"""The engine: no Textual, no printing, no click.

The path of the data, one line per module::

    settings -> target -> connect -> catalog ┐
                         folder -> script ───┼-> plan (pre-check, hazards) -> approve -> run -> history
                                             │                                  └ watch (second connection)
                                             └ history                            every event -> session log

    what is said
      errors             the tree of expected failures; each has summary, advice, SQLSTATE and place
      events             one frozen struct per fact; Event, Emit
      view               the run screen as a function of the events
      codec              values of the engine to JSON and back
      documents          what --json prints; its JSON Schemas are in schemas/
    which database
      settings           changeover.toml + environment + flags -> one frozen Settings
      settings_file      reads changeover.toml; knows the line of every value
      directories        where configuration, logs and demo data of this user live
      target             which database, as whom, how protected
      protection         what is said of a database under a name holds without it
      conninfo           connection URLs and key=value strings, as strictly as libpq reads them
      services           the service file
      pgpass             the password file
      saved_targets      named targets that the set-up saved for this user
      setup              guided first-time set-up: what an answer means, what is written
      setup_offers       what the surroundings name already (dotenv: .env files)
      setup_questions    what is asked, each answer explained (found_folders: migrations near here)
      secret, masking    a value that never shows itself; no password in what a log or a viewer gets
    the server
      connect            opens connections with retry; importer of asyncpg (tls: what a target wants of that)
      diagnose           what went wrong on the way, and whether time can mend it (admission: why we were not let in)
      sql/               the engine's queries, one per file
      quoting            text of ours inside SQL of ours
      catalog            one snapshot of what the database has (catalog_objects: one at a time)
      locks              lock modes and their strength (limits: how long a run waits for them)
    the files
      formats            the tools whose folders and histories are known, and which notions each has
      notions            what a format has no notion of is wrong usage
      folders/           one module per migration folder format (detect: which one a folder is of)
      facts              what a tool's history row has from the folder besides a script
      migration          a migration as its folder holds it
      lookup             which of them a person means by what was typed
      due                which of them a database gets, where a baseline stands for others
      script             SQL text -> statements, by PostgreSQL's own parser (lexemes, trees, statement_reader)
      foreign            a file of another tool's folder -> the script of it that runs
      copy_data          the rows that stand in a file after COPY ... FROM STDIN
      dumped             what pg_dump writes around its output
      own_transaction    a file's own BEGIN ... COMMIT becomes ours
      flyway             its versions and checksums, which folder and history both need
      directives         `-- changeover: ...` comments
      text, tree, commands, names, typenames    what the parser's trees and PostgreSQL's names look like
    what will happen
      effects            a statement -> what it needs, makes, changes, drops (effects_*: by kind of statement)
      object_kinds       kinds of object that are no relation, and where the catalog keeps them
      touches            the types of that
      alike              statements of which the same is known: INSERTs that differ in their values
      fresh_values       values of an enum that are used before they are committed
      estimate           what a statement locks, rewrites, scans and builds (estimates/: by kind of statement)
      type_changes       which changes of a column's type leave the rows as they are
      default_names      what PostgreSQL calls constraints and indexes that have no name
      history/           one module per history table format: read, record (ledger: what a run needs of one; find: which
                         are there; dialect: what another tool's rows are; recognised: those that are only named)
      rights, right_needs  what the statements of a plan need of our role (record_writes: and its rows in a history)
      column_wishes      what they say of columns that are there (defaults: whether two say the same)
      surroundings       what is around a plan: rights held, room on the server, settings, what is in the way
      server_checks, setting_checks, right_checks, column_checks, surrounded  that as rows of the pre-check table
      row_filter         which rows a typed filter keeps
      traffic, exposure  who is using what a plan locks, sampled
      status             folder x history -> the state of every migration
      world              the database as it will be at one statement of a plan (scene: what it is asked)
      relation_state     one relation of it (removal: what goes with what is dropped)
      precheck           effects x catalog -> rows of the pre-check table, and what becomes of each statement
      hazards/           one rule per named danger, by family; each with its safe SQL and its examples
      hazard_documents   hazards as --json prints them
      inspection         comments, and who is at work now: what is read only to be looked at
      schema_browser     the catalog to be looked through, one relation in full
      action_offers      what can be asked for beside apply, from where a migration stands
      actions            what a run is asked to do: apply, revert, baseline, repair
      items              which migrations an action is about, and what is done with each
      step_log           how far an attempt came in another tool's folder: the session logs know
      resume, rebuild    what an attempt outside a transaction has left to do; invalid indexes
      refusals, digest   why a plan cannot run; what an approval is for
      unrunnable         why it cannot run a file as it is
      plan, planning     everything above -> Plan with its digest; Plan.approve makes the only Approval
      sources            the folder as its files and the database say, its history, and the keys of both
      values             where the values of its placeholders come from
      detected           what a set-up can offer of a folder and a database: whose they seem to be
      survey             one look at a target: all of it in one snapshot
      rehearsal          a plan with what its rehearsal measured; kept_rehearsals: by digest
      repair             what there is to settle, and which answers are open
      verify             verify scripts, each in a read-only transaction
      new_migration      the next file of a folder
    a rehearsal
      rehearse           the plan on a shadow of the target's schema (rehearsing: and what was found is kept)
      rehearse_together, rehearse_apart, rehearse_work   as a run sends it, and each statement by itself
      shadow             a server of our own for it; lent_shadow: a database that somebody lends
      shadow_needs       what has to be there before the schema: roles, settings, tablespaces, extensions
      schema_dump        the schema by pg_dump (forwarder: over TLS); shadow_schema loads it
      measure            what one statement locks, rewrites, scans and builds; sampling: outside a transaction
      other_version      what was measured on one release, as another one does it
      unrehearsed        what is not run, and which failures on a shadow say nothing
      schema_state       what a schema consists of; schema_difference: before and after
      rehearsed          whether a run did what its rehearsal said
    what happens
      requests           what goes to a runner
      runner             the process that a run lives in
      guard, keys        one run at a time
      run                order, attempts, outcome
      work               what the parts of a run share; how an attempt ends
      transaction        one attempt inside one transaction
      spare              its connection, reset for the next migration
      sending            its statements on their way to the server, short ones together
      groups             which statements may share a message, and how many
      steps              a migration outside a transaction (step_states: how far it is)
      segments           one of several transactions that a file has of its own
      recording          an entry of a plan as the history sees it
      telling            what an attempt says while it runs
      watch              who blocks us, who waits behind us; the lock budget
      stalls             how many waited behind us, and for how long
      lock_tree          the chains of who waits for whom, above a migration and behind it
      progress           how far a statement is, from the server's progress views
      blockers           who may be ended, and who never
      pooling            whether a pooler gives each transaction another backend
      silence            waits for a statement's end, but not for an answer that was lost on the way
      inquest            what became of a statement outside a transaction whose answer was lost
      settle             what became of a transaction whose end was not heard
      postchecks         what a run should not leave behind
      tasks              awaiting to the end in spite of cancellation
      briefs             a plan as a run shows it
      audience, channel  the viewers of a runner, and the socket between
      attach             follows a run: events in, commands out
      session_log        the session folder: JSON lines of events
      session_reader     one of any length, read on while it grows
      journal            one file of it, and its one writer
      retention          which sessions are kept
      session_filter     which sessions a typed filter keeps
      troubles           which events say that something went wrong
      exports            a session as files of one's own
    what a dead runner left
      unfinished         runs that have no honest end in the logs
      recovery           settles them at the next start
      orphans            backends of ours whose runner is gone
    the embedded PostgreSQL
      sandbox            starts and stops it (postgres_binaries, postmaster, account: its parts)
      demo               the donation platform under live traffic
"""

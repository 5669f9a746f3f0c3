-- Run once on the demo's server, as its superuser, in the database postgres: the roles of the donation platform.
--
-- donation_owner owns everything and is what migrations run as; like a good migration role it is no superuser. It may
-- see what others run, and end it, so that a blocker can be named. donation_app is the application.

CREATE ROLE donation_owner LOGIN;
CREATE ROLE donation_app LOGIN;
GRANT pg_read_all_stats, pg_signal_backend TO donation_owner;

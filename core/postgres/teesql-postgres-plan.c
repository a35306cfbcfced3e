#include "postgres/teesql-postgres-plan.h"

/* search_path is empty on our connections: unqualified names are pg_catalog's and cannot be anyone else's. */

#define WANTED                                                                                                                             \
  "wanted AS (SELECT r.oid, r.rolname, w.kind"                                                                                             \
  "  FROM unnest ($1::text[], $2::text[]) AS w (name, kind) JOIN pg_roles r ON r.rolname = w.name)"

const char teesql_pg_facts_sql[] = "SELECT current_setting ('server_version_num'), split_part (current_setting ('server_version'), ' ', 1),"
                                   "  current_setting ('listen_addresses'), current_setting ('port'), pg_is_in_recovery (),"
                                   "  coalesce ((SELECT rolsuper FROM pg_roles WHERE rolname = current_user), false)";

/* The kernel's own list, in the network namespace of the server, which need not be ours. */
const char teesql_pg_sockets_sql[] =
    "SELECT substring (pg_read_file ('/proc/self/status') FROM '(?n)^Uid:\\s+(\\d+)'),"
    "  CASE WHEN pg_read_file ('/proc/net/tcp', true) IS NULL THEN NULL ELSE coalesce ((SELECT string_agg (line, E'\\n')"
    "    FROM regexp_split_to_table (pg_read_file ('/proc/net/tcp') || E'\\n' || coalesce (pg_read_file ('/proc/net/tcp6', true), ''),"
    "      E'\\n') AS line"
    "    WHERE line ~ ('^\\s*\\d+: [0-9A-F]+:' || upper (lpad (to_hex (current_setting ('port')::integer), 4, '0'))"
    "      || ' [0-9A-F]+:[0-9A-F]+ 0A ')), '') END";

/* `trust` anywhere makes our passwords pointless. Then, for each role and database, the first rule that fits, as the server reads
 * them; groups and patterns are passed over, so this warns and never decides. */
const char teesql_pg_hba_sql[] =
    "WITH rules AS (SELECT * FROM pg_hba_file_rules WHERE error IS NULL),"
    " logins AS (SELECT w.name, d.database FROM unnest ($1::text[], $2::text[]) AS w (name, kind)"
    "   CROSS JOIN LATERAL (SELECT unnest ($3::text[]) WHERE w.kind <> 'replication'"
    "     UNION SELECT 'replication' WHERE w.kind = 'replication') AS d (database)),"
    " fitting AS (SELECT DISTINCT ON (l.name, l.database) l.name, l.database, r.file_name, r.line_number, r.auth_method"
    "   FROM logins l LEFT JOIN rules r ON (l.name = ANY (r.user_name) OR 'all' = ANY (r.user_name))"
    "     AND (l.database = ANY (r.database) OR ('all' = ANY (r.database) AND l.database <> 'replication'))"
    "     AND CASE WHEN $4 = '' THEN r.type = 'local' WHEN r.type NOT IN ('host', 'hostnossl', 'hostnogssenc') THEN false"
    "       WHEN r.address IN ('all', 'samehost', 'samenet') THEN true"
    "       WHEN r.address ~ '^[0-9a-fA-F:.]+$' AND r.netmask IS NOT NULL THEN"
    "         CASE WHEN family (r.address::inet) = family ($4::text::inet)"
    "           THEN (r.address::inet & r.netmask::inet) = ($4::text::inet & r.netmask::inet) ELSE false END"
    "       ELSE false END"
    "   ORDER BY l.name, l.database, r.rule_number NULLS LAST)"
    " SELECT 'postgres-hba-trust', format ('%s:%s', file_name, line_number),"
    "   format ('%s:%s admits %s without a password', file_name, line_number, array_to_string (user_name, ', '))"
    "   FROM rules WHERE auth_method = 'trust'"
    " UNION ALL SELECT 'postgres-hba-method', format ('%s@%s', name, database), CASE WHEN auth_method IS NULL"
    "   THEN format ('pg_hba.conf has no rule that admits %s to %s', name, database)"
    "   ELSE format ('%s:%s asks %s for %s by %s, expected scram-sha-256', file_name, line_number, name, database, auth_method) END"
    "   FROM fitting WHERE coalesce (auth_method, '') NOT IN ('scram-sha-256', 'md5', 'trust')";

const char teesql_pg_verifiers_sql[] = "SELECT rolname, rolpassword, rolsuper FROM pg_authid WHERE rolname = ANY ($1::text[])";

const char teesql_pg_plan_roles_sql[] =
    "WITH desired AS (SELECT w.name, w.verifier, w.kind = 'replication' AS replication, a.*,"
    "   a.oid IS NOT NULL AND NOT (a.rolcanlogin AND a.rolinherit AND NOT a.rolcreatedb AND NOT a.rolcreaterole AND NOT a.rolbypassrls"
    "     AND a.rolreplication = (w.kind = 'replication')"
    "     AND coalesce (a.rolvaliduntil, 'infinity') = 'infinity') AS crooked"
    "   FROM unnest ($1::text[], $2::text[], $3::text[]) AS w (name, kind, verifier) LEFT JOIN pg_authid a ON a.rolname = w.name)"
    " SELECT format ('%s ROLE %I WITH LOGIN INHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS %s VALID UNTIL ''infinity''',"
    "     CASE WHEN oid IS NULL THEN 'CREATE' ELSE 'ALTER' END, name, CASE WHEN replication THEN 'REPLICATION' ELSE 'NOREPLICATION' END)"
    "   || CASE WHEN verifier IS NULL THEN '' ELSE format (' PASSWORD %L', verifier) END,"
    "   format ('role %s: %s', name, CASE WHEN oid IS NULL THEN 'created' WHEN crooked AND verifier IS NOT NULL"
    "     THEN 'attributes and password set' WHEN crooked THEN 'attributes set' ELSE 'password set' END)"
    " FROM desired WHERE oid IS NULL OR crooked OR verifier IS NOT NULL ORDER BY name";

/* Rights in both directions: what is missing is granted; what a reader or replicator was given directly beyond its list, as after
 * `privileges` changed, is taken away. A read-write role may keep what an operator added. */
const char teesql_pg_plan_grants_sql[] =
    "WITH " WANTED ","
    " rights (kind, object, privilege) AS (VALUES"
    "   ('read', 'table', 'SELECT'), ('read', 'sequence', 'SELECT'), ('read', 'schema', 'USAGE'), ('read', 'database', 'CONNECT'),"
    "   ('read-write', 'table', 'SELECT'), ('read-write', 'table', 'INSERT'), ('read-write', 'table', 'UPDATE'),"
    "   ('read-write', 'table', 'DELETE'), ('read-write', 'sequence', 'USAGE'), ('read-write', 'sequence', 'SELECT'),"
    "   ('read-write', 'sequence', 'UPDATE'), ('read-write', 'schema', 'USAGE'), ('read-write', 'schema', 'CREATE'),"
    "   ('read-write', 'database', 'CONNECT')),"
    " things AS (SELECT CASE relkind WHEN 'S' THEN 'sequence' ELSE 'table' END AS object, oid, relowner AS owner, relacl AS acl,"
    "     format ('public.%I', relname) AS name FROM pg_class"
    "     WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')"
    "   UNION ALL SELECT 'schema', oid, nspowner, nspacl, 'public' FROM pg_namespace WHERE nspname = 'public'"
    "   UNION ALL SELECT 'database', oid, datdba, datacl, format ('%I', datname) FROM pg_database WHERE datname = current_database ()),"
    " missing AS (SELECT t.object, w.rolname, r.privilege, t.name FROM wanted w JOIN rights r USING (kind) JOIN things t USING (object)"
    "   WHERE NOT CASE t.object WHEN 'table' THEN has_table_privilege (w.oid, t.oid, r.privilege)"
    "     WHEN 'sequence' THEN has_sequence_privilege (w.oid, t.oid, r.privilege)"
    "     WHEN 'schema' THEN has_schema_privilege (w.oid, t.oid, r.privilege)"
    "     ELSE has_database_privilege (w.oid, t.oid, r.privilege) END),"
    " excess AS (SELECT t.object, w.rolname, a.privilege_type AS privilege, t.name"
    "   FROM wanted w CROSS JOIN things t CROSS JOIN LATERAL aclexplode (t.acl) AS a"
    "   WHERE a.grantee = w.oid AND a.grantor = t.owner AND t.owner <> w.oid AND w.kind <> 'read-write'"
    "     AND NOT EXISTS (SELECT FROM rights r WHERE (r.kind, r.object, r.privilege) = (w.kind, t.object, a.privilege_type)))"
    " SELECT format ('GRANT %s ON %s %s TO %I', privilege, upper (object), string_agg (name, ', ' ORDER BY name), rolname),"
    "   format ('database %s: %s on %s %s%s granted to %s', current_database (), privilege, count (*), object, left ('s', count "
    "(*)::integer - 1), rolname)"
    "   FROM missing GROUP BY object, rolname, privilege"
    " UNION ALL SELECT format ('REVOKE %s ON %s %s FROM %I', privilege, upper (object), string_agg (name, ', ' ORDER BY name), rolname),"
    "   format ('database %s: %s on %s %s%s taken from %s', current_database (), privilege, count (*), object, left ('s', count "
    "(*)::integer - 1), rolname)"
    "   FROM excess GROUP BY object, rolname, privilege";

/* The same for tables and sequences that do not exist yet, made by the administrator or a read-write role. */
const char teesql_pg_plan_defaults_sql[] =
    "WITH " WANTED ","
    " rights (kind, class, privilege) AS (VALUES ('read', 'r', 'SELECT'), ('read', 'S', 'SELECT'), ('read-write', 'r', 'SELECT'),"
    "   ('read-write', 'r', 'INSERT'), ('read-write', 'r', 'UPDATE'), ('read-write', 'r', 'DELETE'), ('read-write', 'S', 'USAGE'),"
    "   ('read-write', 'S', 'SELECT'), ('read-write', 'S', 'UPDATE')),"
    " creators AS (SELECT oid, rolname FROM pg_roles WHERE rolname = $3 UNION SELECT oid, rolname FROM wanted WHERE kind = 'read-write'),"
    " present AS (SELECT d.defaclrole AS creator, d.defaclobjtype::text AS class, a.grantee, a.privilege_type AS privilege,"
    "     d.defaclnamespace <> 0 AS here FROM pg_default_acl d CROSS JOIN LATERAL aclexplode (d.defaclacl) AS a"
    "   WHERE d.defaclnamespace IN (0, 'public'::regnamespace)),"
    " missing AS (SELECT c.rolname AS creator, w.rolname, r.class, r.privilege FROM creators c CROSS JOIN wanted w JOIN rights r USING "
    "(kind)"
    "   WHERE c.oid <> w.oid AND NOT EXISTS (SELECT FROM present p"
    "     WHERE (p.creator, p.class, p.grantee, p.privilege) = (c.oid, r.class, w.oid, r.privilege))),"
    " excess AS (SELECT c.rolname AS creator, w.rolname, p.class, p.privilege FROM present p JOIN wanted w ON w.oid = p.grantee"
    "   JOIN pg_roles c ON c.oid = p.creator WHERE p.here AND p.creator <> w.oid AND p.class IN ('r', 'S') AND w.kind <> 'read-write'"
    "     AND NOT EXISTS (SELECT FROM rights r WHERE (r.kind, r.class, r.privilege) = (w.kind, p.class, p.privilege))),"
    " steps AS (SELECT 'GRANT' AS verb, 'TO' AS way, 'granted to' AS told, * FROM missing"
    "   UNION ALL SELECT 'REVOKE', 'FROM', 'taken from', * FROM excess)"
    " SELECT format ('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA public %s %s ON %s %s %I', creator, verb,"
    "     string_agg (privilege, ', ' ORDER BY privilege), CASE class WHEN 'r' THEN 'TABLES' ELSE 'SEQUENCES' END, way, rolname),"
    "   format ('database %s: %s on later %s of %s %s %s', current_database (), string_agg (privilege, ', ' ORDER BY privilege),"
    "     CASE class WHEN 'r' THEN 'tables' ELSE 'sequences' END, creator, told, rolname)"
    " FROM steps GROUP BY creator, rolname, class, verb, way, told";

/* What a read-write client puts into `public` must not take the place of what a reader meant (CVE-2018-1058), nor a reader's own
 * temporary objects. */
#define READER_PATH "pg_catalog, public, pg_temp"
const char teesql_pg_plan_settings_sql[] =
    "WITH " WANTED ","
    " present AS (SELECT s.setrole, unnest (s.setconfig) AS setting FROM pg_db_role_setting s"
    "   JOIN pg_database d ON d.oid = s.setdatabase WHERE d.datname = current_database ()),"
    " state AS (SELECT w.*, EXISTS (SELECT FROM present p WHERE p.setrole = w.oid AND p.setting = 'search_path=" READER_PATH "') AS ours"
    "   FROM wanted w)"
    " SELECT format ('ALTER ROLE %I IN DATABASE %I SET search_path = " READER_PATH "', rolname, current_database ()),"
    "   format ('database %s: search_path of %s set', current_database (), rolname) FROM state WHERE kind = 'read' AND NOT ours"
    " UNION ALL SELECT format ('ALTER ROLE %I IN DATABASE %I RESET search_path', rolname, current_database ()),"
    "   format ('database %s: search_path of %s reset', current_database (), rolname) FROM state WHERE kind <> 'read' AND ours";

/* Rights that do not come from us, and that an operator may want to know of. */
const char teesql_pg_excess_sql[] =
    "WITH " WANTED ", limited AS (SELECT * FROM wanted WHERE kind <> 'read-write')"
    " SELECT 'postgres-public-rights', current_database () || ' create',"
    "   format ('database %s: everybody may create objects in schema public', current_database ())"
    "   FROM pg_namespace n CROSS JOIN LATERAL aclexplode (n.nspacl) AS a"
    "   WHERE n.nspname = 'public' AND a.grantee = 0 AND a.privilege_type = 'CREATE'"
    " UNION ALL SELECT 'postgres-public-rights', current_database () || ' write',"
    "   format ('database %s: everybody may change %s tables of schema public, %s among them', current_database (),"
    "     count (DISTINCT c.oid), min (c.relname))"
    "   FROM pg_class c CROSS JOIN LATERAL aclexplode (c.relacl) AS a WHERE c.relnamespace = 'public'::regnamespace AND a.grantee = 0"
    "     AND a.privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE') HAVING count (*) > 0"
    " UNION ALL SELECT 'postgres-role-owns', format ('%s@%s', l.rolname, current_database ()),"
    "   format ('database %s: %s owns %s objects of schema public and may change them', current_database (), l.rolname, count (*))"
    "   FROM limited l JOIN pg_class c ON c.relowner = l.oid WHERE c.relnamespace = 'public'::regnamespace GROUP BY l.rolname"
    " UNION ALL SELECT 'postgres-role-member', l.rolname::text, format ('role %s is a member of %s, whose rights it has', l.rolname,"
    "     string_agg (g.rolname, ', ' ORDER BY g.rolname))"
    "   FROM limited l JOIN pg_auth_members m ON m.member = l.oid JOIN pg_roles g ON g.oid = m.roleid GROUP BY l.rolname";

const char teesql_pg_state_sql[] =
    "SELECT CASE WHEN pg_is_in_recovery () THEN pg_last_wal_replay_lsn () ELSE pg_current_wal_lsn () END,"
    "  split_part (current_setting ('server_version'), ' ', 1), (SELECT system_identifier FROM pg_control_system ()),"
    "  pg_is_in_recovery ()";

char *
teesql_pg_array (const char *const *items, guint n_items)
{
  GString *text = g_string_new ("{");

  for (guint i = 0; i < n_items; i++)
    {
      g_string_append (text, i > 0 ? "," : "");
      if (items[i] == NULL)
        {
          g_string_append (text, "NULL");
          continue;
        }
      g_string_append_c (text, '"');
      for (const char *at = items[i]; *at != '\0'; at++)
        {
          if (*at == '"' || *at == '\\')
            g_string_append_c (text, '\\');
          g_string_append_c (text, *at);
        }
      g_string_append_c (text, '"');
    }
  g_string_append_c (text, '}');
  return g_string_free (text, FALSE);
}

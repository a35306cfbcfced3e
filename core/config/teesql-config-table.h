#pragma once
#include "config/teesql-config.h"

G_BEGIN_DECLS

/* Keys of this group are names of PostgreSQL, with underscores. */
#define TEESQL_OPTION_SETTINGS_GROUP "postgresql-settings"

/* Which files may carry an option. */
typedef enum
{
  TEESQL_OPTION_IN_DAEMON = 1 << TEESQL_CONFIG_DAEMON,
  TEESQL_OPTION_IN_CLIENT = 1 << TEESQL_CONFIG_CLIENT,
  TEESQL_OPTION_IN_SIMULATOR = 1 << TEESQL_CONFIG_SIMULATOR,
  TEESQL_OPTION_IN_POLICY = 1 << TEESQL_CONFIG_POLICY,
} TeesqlOptionKinds;

typedef enum
{
  TEESQL_OPTION_TEXT,
  TEESQL_OPTION_LABEL,    /* [a-z0-9-], at most `max` characters */
  TEESQL_OPTION_INSTANCE, /* NAME of [KIND:NAME] */
  TEESQL_OPTION_ROLE,     /* name of a database role */
  TEESQL_OPTION_USER,     /* name of a system user */
  TEESQL_OPTION_PATH,
  TEESQL_OPTION_SOCKET_FOLDER, /* path or loopback address */
  TEESQL_OPTION_BOOLEAN,
  TEESQL_OPTION_INTEGER,
  TEESQL_OPTION_PERCENT,
  TEESQL_OPTION_DURATION,     /* min and max in milliseconds */
  TEESQL_OPTION_SIZE,         /* min and max in bytes */
  TEESQL_OPTION_WORD,         /* one of `words` */
  TEESQL_OPTION_ADDRESS,      /* ADDR:PORT, ADDR a literal */
  TEESQL_OPTION_ENDPOINT,     /* HOST:PORT */
  TEESQL_OPTION_HEX,          /* exactly `max` digits */
  TEESQL_OPTION_KEY_PROVIDER, /* name:SHA-256, or a word */
  TEESQL_OPTION_ADVISORY,
  TEESQL_OPTION_BASE64, /* of exactly `max` bytes */
  TEESQL_OPTION_SCRAM_VERIFIER,
  TEESQL_OPTION_REFERENCE, /* where a secret lies */
  TEESQL_OPTION_SCHEDULE,  /* `daily 02:00`, see teesql-schedule.h */
  /* as PostgreSQL writes them */
  TEESQL_OPTION_SETTING_MEMORY, /* `128MB`; min and max in bytes */
  TEESQL_OPTION_SETTING_TIME,   /* `30s`; min and max in milliseconds */
  TEESQL_OPTION_SETTING_REAL,   /* min and max as integers */
} TeesqlOptionType;

typedef enum
{
  TEESQL_OPTION_LIST = 1 << 0,
  TEESQL_OPTION_ORDERED = 1 << 1, /* a list whose order means something */
  TEESQL_OPTION_MAY_BE_ANY = 1 << 2,
  TEESQL_OPTION_MAY_BE_AUTO = 1 << 3,
  TEESQL_OPTION_MAY_BE_NONE = 1 << 4,
  TEESQL_OPTION_ONLY_ANY = 1 << 5,     /* a list one day; nothing can prove it yet */
  TEESQL_OPTION_MAY_BE_EMPTY = 1 << 6, /* an empty pin refuses everybody */
  TEESQL_OPTION_REQUIRED = 1 << 7,
  TEESQL_OPTION_INDIRECT = 1 << 8, /* text that may stand behind a reference */
  TEESQL_OPTION_KMS = 1 << 9,      /* a reference that may be kms:PATH */
  TEESQL_OPTION_RESTART = 1 << 10, /* a reload keeps the old value */
  TEESQL_OPTION_DIGEST = 1 << 11,  /* the configuration digest covers it */
  TEESQL_OPTION_SETTING = 1 << 12, /* PostgreSQL's own: named, spelled and documented there */
} TeesqlOptionFlags;

/**
 * TeesqlOption:
 * @group: `proxy`; `role:` stands for every `[role:NAME]`
 * @words: choices of a word, or further words another type takes, split by `|`; one that ends in `=` is followed by a duration
 * @fallback: (nullable): the default, written as in a file
 * @doc: sentences of the manual page
 *
 * one key. The table of these is the only place that knows names, types, ranges, defaults and what a reload does.
 */
typedef struct
{
  const char *group;
  const char *key;
  guint kinds;
  TeesqlOptionType type;
  guint flags;
  gint64 min;
  gint64 max;
  const char *words;
  const char *fallback;
  const char *doc;
} TeesqlOption;

/**
 * TeesqlOptionGroup:
 * @name: `proxy`, or `role:` when it is made per NAME
 * @plugin: its other keys are properties of a plugin's object
 */
typedef struct
{
  const char *name;
  guint kinds;
  gboolean plugin;
  const char *doc;
} TeesqlOptionGroup;

/* Keys that are designed but not there yet: refused like unknown ones, with a hint that says so. */
typedef struct
{
  const char *group;
  const char *key; /* NULL: the whole group */
  const char *hint;
} TeesqlOptionLater;

const TeesqlOption *teesql_option_table (guint *out_n);
const TeesqlOptionGroup *teesql_option_groups (guint *out_n);
const TeesqlOptionGroup *teesql_option_find_group (TeesqlConfigKind kind, const char *group);
const TeesqlOption *teesql_option_find (TeesqlConfigKind kind, const char *group, const char *key);
const char *teesql_option_find_later (const char *group, const char *key); /* (nullable) hint */
/**
 * teesql_option_group_matches:
 *
 * whether the group of a file, `role:teesql_read`, is made by @template, `role:`
 */
gboolean teesql_option_group_matches (const char *template, const char *group);
/**
 * teesql_option_dup_form:
 *
 * Returns: (transfer full): `duration, 10min..7d`, for the manual page and error messages
 */
char *teesql_option_dup_form (const TeesqlOption *option) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_option_dup_nearest:
 * @group: (nullable): %NULL to look among group names
 *
 * Returns: (transfer full) (nullable): the name that @wrong was probably meant to be
 */
char *teesql_option_dup_nearest (TeesqlConfigKind kind, const char *group, const char *wrong) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS

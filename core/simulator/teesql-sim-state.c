#include "simulator/teesql-sim-state.h"
#include <string.h>

#define MAX_SLOW_MS ((guint64) 3600000)

static const struct
{
  const char *word;
  guint fault;
} fault_words[] = {
  { "debug-td", TEESQL_SIM_FAULT_DEBUG_TD },
  { "wrong-binding", TEESQL_SIM_FAULT_WRONG_BINDING },
  { "revoked-pck", TEESQL_SIM_FAULT_REVOKED_PCK },
  { "expired-collateral", TEESQL_SIM_FAULT_EXPIRED_COLLATERAL },
  { "rolled-back-collateral", TEESQL_SIM_FAULT_ROLLED_BACK_COLLATERAL },
};

static const struct
{
  const char *word;
  guint flag;
} transport_words[] = {
  { "garbage", TEESQL_SIM_TRANSPORT_GARBAGE },
  { "hang", TEESQL_SIM_TRANSPORT_HANG },
  { "close", TEESQL_SIM_TRANSPORT_CLOSE },
};

static const char *const recovery_words[] = {
  [TEESQL_SIM_RECOVERY_NONE] = "none",
  [TEESQL_SIM_RECOVERY_EARLY] = "early",
  [TEESQL_SIM_RECOVERY_ALL] = "all",
};

/* the durations of the configuration: a number and its unit */
static gboolean
parse_duration (const char *text, guint *out_ms)
{
  static const struct
  {
    const char *unit;
    guint64 ms;
  } units[] = { { "ms", 1 }, { "s", 1000 }, { "min", 60000 }, { "h", 3600000 } };
  gsize digits = strspn (text, "0123456789");
  g_autofree char *number = g_strndup (text, digits);
  guint64 value = 0;

  if (!g_ascii_string_to_unsigned (number, 10, 0, MAX_SLOW_MS, &value, NULL))
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (units); i++)
    if (strcmp (text + digits, units[i].unit) == 0 && value <= MAX_SLOW_MS / units[i].ms)
      {
        *out_ms = (guint) (value * units[i].ms);
        return TRUE;
      }
  return FALSE;
}

static gboolean
set_transport (TeesqlSimTransportFaults *faults, const char *word)
{
  if (g_str_has_prefix (word, "slow="))
    return parse_duration (word + strlen ("slow="), &faults->slow_ms);
  for (guint i = 0; i < G_N_ELEMENTS (transport_words); i++)
    if (strcmp (word, transport_words[i].word) == 0)
      {
        faults->flags |= transport_words[i].flag;
        return TRUE;
      }
  return FALSE;
}

static gboolean
set_word (TeesqlSimState *self, const char *word)
{
  for (guint i = 0; i < G_N_ELEMENTS (fault_words); i++)
    if (strcmp (word, fault_words[i].word) == 0)
      {
        self->faults |= fault_words[i].fault;
        return TRUE;
      }
  if (g_str_has_prefix (word, "pccs-"))
    return set_transport (&self->pccs, word + strlen ("pccs-"));
  return set_transport (&self->agent, word);
}

gboolean
teesql_sim_state_set_misbehave (TeesqlSimState *self, const char *const *words, GError **error)
{
  TeesqlSimState next = *self;

  next.faults = 0;
  next.agent = (TeesqlSimTransportFaults){ 0, 0 };
  next.pccs = (TeesqlSimTransportFaults){ 0, 0 };
  for (guint i = 0; words[i] != NULL; i++)
    {
      if (strcmp (words[i], "none") == 0 && words[1] == NULL)
        continue;
      if (!set_word (&next, words[i]))
        {
          g_propagate_error (error, teesql_error_new (TEESQL_ATTESTER_ERROR, TEESQL_ERROR_CONFIG, "simulator-misbehave", 0,
                                                      "misbehave: `%s` is not known\nhint: none debug-td wrong-binding revoked-pck "
                                                      "expired-collateral rolled-back-collateral garbage hang slow=DURATION close, "
                                                      "and the last four with pccs- in front",
                                                      words[i]));
          return FALSE;
        }
    }
  *self = next;
  return TRUE;
}

static void
list_transport (GPtrArray *out, const char *prefix, const TeesqlSimTransportFaults *faults)
{
  for (guint i = 0; i < G_N_ELEMENTS (transport_words); i++)
    if ((faults->flags & transport_words[i].flag) != 0)
      g_ptr_array_add (out, g_strconcat (prefix, transport_words[i].word, NULL));
  if (faults->slow_ms > 0)
    g_ptr_array_add (out, g_strdup_printf ("%sslow=%ums", prefix, faults->slow_ms));
}

GStrv
teesql_sim_state_get_misbehave (const TeesqlSimState *self)
{
  GPtrArray *out = g_ptr_array_new ();

  for (guint i = 0; i < G_N_ELEMENTS (fault_words); i++)
    if ((self->faults & fault_words[i].fault) != 0)
      g_ptr_array_add (out, g_strdup (fault_words[i].word));
  list_transport (out, "", &self->agent);
  list_transport (out, "pccs-", &self->pccs);
  g_ptr_array_add (out, NULL);
  return (GStrv) g_ptr_array_free (out, FALSE);
}

gboolean
teesql_sim_state_check (const TeesqlSimState *self, GError **error)
{
  if (self->tcb_status < TEESQL_SIM_TCB_N_LEVELS || self->quote_version == TEESQL_SIM_QUOTE_5_1)
    return TRUE;
  g_propagate_error (error, teesql_error_new (TEESQL_ATTESTER_ERROR, TEESQL_ERROR_CONFIG, "simulator-tcb-status", 0,
                                              "tcb-status: a quote of version %s cannot show %s\nhint: quote-version = 5.1",
                                              teesql_sim_quote_version_to_string (self->quote_version),
                                              teesql_sim_tcb_status_to_string (self->tcb_status)));
  return FALSE;
}

gboolean
teesql_sim_recovery_parse (const char *text, TeesqlSimRecovery *out_recovery, GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (recovery_words); i++)
    if (strcmp (text, recovery_words[i]) == 0)
      {
        *out_recovery = (TeesqlSimRecovery) i;
        return TRUE;
      }
  g_propagate_error (error, teesql_error_new (TEESQL_ATTESTER_ERROR, TEESQL_ERROR_CONFIG, "simulator-recovery", 0,
                                              "recovery: `%s`, expected none, early or all", text));
  return FALSE;
}

const char *
teesql_sim_recovery_to_string (TeesqlSimRecovery recovery)
{
  return recovery_words[recovery];
}

#include "cli/teesql-cli-explain.h"
#include "cli/teesql-cli-opinion.h"

#define NAME_WIDTH 12

/* --- JSON ---------------------------------------------------------------------------------------------------------- */

static void
add_boolean (JsonBuilder *builder, const char *name, gboolean value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_boolean_value (builder, value);
}

static void
add_rules (JsonBuilder *builder, const GPtrArray *rules)
{
  json_builder_set_member_name (builder, "rules");
  json_builder_begin_array (builder);
  for (guint i = 0; rules != NULL && i < rules->len; i++)
    {
      const TeesqlExplained *row = rules->pdata[i];

      json_builder_begin_object (builder);
      teesql_cli_json_text (builder, "rule", row->rule);
      teesql_cli_json_text (builder, "expected", row->expected);
      teesql_cli_json_text (builder, "found", row->found);
      add_boolean (builder, "passed", row->reason == NULL);
      teesql_cli_json_text (builder, "reason", row->reason);
      teesql_cli_json_text (builder, "message", row->message);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
}

static gboolean
is_accepted (const TeesqlCliOpinion *opinion)
{
  return opinion->findings != NULL && opinion->findings->len == 0;
}

static void
add_opinion (JsonBuilder *builder, const TeesqlCliOpinion *opinion)
{
  json_builder_begin_object (builder);
  teesql_cli_json_text (builder, "name", opinion->name);
  teesql_cli_json_text (builder, "verdict", teesql_cli_opinion_get_verdict (opinion));
  teesql_cli_json_text (builder, "reason", opinion->reason);
  teesql_cli_json_text (builder, "message", opinion->message);
  add_boolean (builder, "accepted", is_accepted (opinion));
  add_rules (builder, opinion->explained);
  json_builder_end_object (builder);
}

static void
print_json (const TeesqlCliEvidence *evidence)
{
  g_autoptr (JsonBuilder) builder = teesql_cli_json_new ();

  add_boolean (builder, "accepted", evidence->exit_code == 0);
  teesql_cli_json_text (builder, "reason", evidence->reason);
  teesql_cli_json_text (builder, "message", evidence->message);
  json_builder_set_member_name (builder, "verifiers");
  json_builder_begin_array (builder);
  for (guint i = 0; i < evidence->opinions->len; i++)
    add_opinion (builder, evidence->opinions->pdata[i]);
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  teesql_cli_print_json (builder);
}

/* --- text ---------------------------------------------------------------------------------------------------------- */

static const char *
or_word (const char *text, const char *word)
{
  return text != NULL && text[0] != '\0' ? text : word;
}

/* What it says to @rule; more than one line where the rule refuses for several reasons. */
static void
print_found (const TeesqlCliOpinion *opinion, const char *rule)
{
  for (guint i = 0; opinion->explained != NULL && i < opinion->explained->len; i++)
    {
      const TeesqlExplained *row = opinion->explained->pdata[i];

      if (!g_str_equal (row->rule, rule))
        continue;
      g_print ("  %-*s %-7s %s", NAME_WIDTH, opinion->name, row->reason != NULL ? "refuse" : "pass",
               row->found == NULL ? "(absent)" : or_word (row->found, "(none)"));
      if (row->reason != NULL)
        g_print ("\n  %-*s         %s: %s", NAME_WIDTH, "", row->reason, row->message);
      g_print ("\n");
    }
}

static const TeesqlCliOpinion *
first_explained (const TeesqlCliEvidence *evidence)
{
  for (guint i = 0; i < evidence->opinions->len; i++)
    if (((const TeesqlCliOpinion *) evidence->opinions->pdata[i])->explained != NULL)
      return evidence->opinions->pdata[i];
  return NULL;
}

/* Every verifier's claims meet the same rules in the same order. */
static void
print_rules (const TeesqlCliEvidence *evidence)
{
  const TeesqlCliOpinion *first = first_explained (evidence);
  const char *last = "";

  for (guint i = 0; first != NULL && i < first->explained->len; i++)
    {
      const TeesqlExplained *row = first->explained->pdata[i];

      if (g_str_equal (row->rule, last))
        continue;
      last = row->rule;
      g_print ("%s = %s\n", row->rule, or_word (row->expected, "(none)"));
      for (guint j = 0; j < evidence->opinions->len; j++)
        print_found (evidence->opinions->pdata[j], row->rule);
    }
}

void
teesql_cli_explain_print (const TeesqlCliEvidence *evidence, gboolean json)
{
  if (json)
    {
      print_json (evidence);
      return;
    }
  print_rules (evidence);
  for (guint i = 0; i < evidence->opinions->len; i++)
    {
      const TeesqlCliOpinion *opinion = evidence->opinions->pdata[i];

      if (opinion->claims == NULL)
        g_print ("%s: %s (%s): %s\n", opinion->name, teesql_cli_opinion_get_verdict (opinion), opinion->reason, opinion->message);
    }
  if (evidence->exit_code == 0)
    g_print ("accepted\n");
  else
    g_print ("refused: %s: %s\n", evidence->reason, evidence->message);
}

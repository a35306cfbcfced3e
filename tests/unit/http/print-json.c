/* Prints what /health, the status and a refusal look like in several states, one `SCHEMA<tab>JSON` a line, for test-schemas.py. */
#include "http/teesql-http-resources.h"
#include "http/teesql-http-response.h"
#include <stdio.h>

static void
print (TeesqlStatus *status)
{
  g_autofree char *health = teesql_http_health_body (status);
  g_autofree char *everything = teesql_status_render_json (status);

  printf ("health\t%s\nstatus\t%s\n", health, everything);
}

int
main (void)
{
  g_autoptr (TeesqlStatus) status = teesql_status_new ();
  g_autofree char *refusal = teesql_http_response_error_body ("not-found", "there is \"nothing\" here");

  print (status);
  for (guint i = 0; i < TEESQL_N_COMPONENTS; i++)
    {
      teesql_status_set_component (status, (TeesqlComponent) i, (TeesqlHealth) ((i + 1) % 4), i % 2 == 0 ? NULL : "some-reason",
                                   "text\nhint: x");
      print (status);
    }
  teesql_status_add_taint (status, "simulator at \"/run/x\"");
  teesql_status_add_notice (status, "any", "allowed-mrtd", "everybody may come");
  teesql_status_add_notice (status, "agent-socket-exposed", NULL, "anybody may ask the agent");
  teesql_status_set_fact (status, "node", "orders-1");
  teesql_status_count (status, TEESQL_COUNTER_BYTES_IN, G_MAXUINT32);
  teesql_status_gauge_add (status, TEESQL_GAUGE_PENDING, -1);
  print (status);
  printf ("http-error\t%s\n", refusal);
  return 0;
}

#include "proxy/teesql-admission.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

typedef struct
{
  TeesqlTicket ticket;
  guint shed;
  guint granted;
} Visitor;

static void
visitor_shed (TeesqlTicket *ticket, gpointer data)
{
  ((Visitor *) data)->shed++;
}

static void
visitor_granted (TeesqlTicket *ticket, gpointer data)
{
  ((Visitor *) data)->granted++;
}

static void
visitor_init (Visitor *self)
{
  *self = (Visitor){ .ticket = { .shed = visitor_shed, .granted = visitor_granted, .user_data = self } };
}

static gboolean
enter (TeesqlAdmission *admission, Visitor *visitor, const char *address)
{
  struct sockaddr_storage storage = { 0 };

  visitor_init (visitor);
  if (strchr (address, ':') != NULL)
    {
      struct sockaddr_in6 *in6 = (struct sockaddr_in6 *) &storage;

      in6->sin6_family = AF_INET6;
      g_assert_cmpint (inet_pton (AF_INET6, address, &in6->sin6_addr), ==, 1);
    }
  else
    {
      struct sockaddr_in *in = (struct sockaddr_in *) &storage;

      in->sin_family = AF_INET;
      g_assert_cmpint (inet_pton (AF_INET, address, &in->sin_addr), ==, 1);
    }
  return teesql_admission_enter (admission, &visitor->ticket, (struct sockaddr *) &storage);
}

static TeesqlAdmission *
admission_new (TeesqlStatus *status, guint pending, guint per_address, guint sessions)
{
  TeesqlAdmission *admission = teesql_admission_new (status);

  teesql_admission_set_limits (admission, pending, per_address, sessions);
  return admission;
}

static void
leave_all (TeesqlAdmission *admission, Visitor *visitors, guint n)
{
  for (guint i = 0; i < n; i++)
    teesql_admission_leave (admission, &visitors[i].ticket);
}

static void
test_total (void)
{
  g_autoptr (TeesqlStatus) status = teesql_status_new ();
  g_autoptr (TeesqlAdmission) admission = admission_new (status, 3, 100, 100);
  Visitor visitors[5];

  for (guint i = 0; i < 3; i++)
    g_assert_true (enter (admission, &visitors[i], "10.0.0.1"));
  teesql_admission_set_shaken (admission, &visitors[0].ticket);
  g_assert_true (enter (admission, &visitors[3], "10.0.0.2"));
  g_assert_cmpuint (visitors[0].shed, ==, 0); /* has finished TLS */
  g_assert_cmpuint (visitors[1].shed, ==, 1);
  g_assert_cmpuint (visitors[2].shed, ==, 0);
  teesql_admission_set_shaken (admission, &visitors[2].ticket);
  teesql_admission_set_shaken (admission, &visitors[3].ticket);
  g_assert_false (enter (admission, &visitors[4], "10.0.0.3")); /* nobody can go */
  g_assert_cmpint (teesql_status_get_gauge (status, TEESQL_GAUGE_PENDING), ==, 3);
  /* who was refused may be shed again */
  teesql_admission_set_parting (admission, &visitors[2].ticket);
  g_assert_true (enter (admission, &visitors[4], "10.0.0.3"));
  g_assert_cmpuint (visitors[2].shed, ==, 1);
  leave_all (admission, visitors, 5);
  g_assert_cmpint (teesql_status_get_gauge (status, TEESQL_GAUGE_PENDING), ==, 0);
}

static void
test_per_address (void)
{
  g_autoptr (TeesqlStatus) status = teesql_status_new ();
  g_autoptr (TeesqlAdmission) admission = admission_new (status, 100, 2, 100);
  Visitor visitors[7];

  g_assert_true (enter (admission, &visitors[0], "10.0.0.1"));
  g_assert_true (enter (admission, &visitors[1], "10.0.0.2"));
  g_assert_true (enter (admission, &visitors[2], "10.0.0.2"));
  g_assert_true (enter (admission, &visitors[3], "10.0.0.2"));
  g_assert_cmpuint (visitors[0].shed, ==, 0);
  g_assert_cmpuint (visitors[1].shed, ==, 1);
  /* one subscriber's network is one address; the mapped form of an IPv4 address is not another */
  g_assert_true (enter (admission, &visitors[4], "2001:db8:0:1::1"));
  g_assert_true (enter (admission, &visitors[5], "2001:db8:0:1:ffff::9"));
  g_assert_true (enter (admission, &visitors[6], "2001:db8:0:1::2"));
  g_assert_cmpuint (visitors[4].shed, ==, 1);
  leave_all (admission, visitors, 7);
}

static void
test_waiting (void)
{
  g_autoptr (TeesqlStatus) status = teesql_status_new ();
  g_autoptr (TeesqlAdmission) admission = admission_new (status, 100, 100, 2);
  Visitor visitors[4];

  for (guint i = 0; i < 4; i++)
    {
      g_assert_true (enter (admission, &visitors[i], "10.0.0.1"));
      teesql_admission_set_shaken (admission, &visitors[i].ticket);
    }
  g_assert_true (teesql_admission_admit (admission, &visitors[0].ticket, "a", 1));
  g_assert_false (teesql_admission_admit (admission, &visitors[1].ticket, "a", 1)); /* its role is full */
  g_assert_true (teesql_admission_admit (admission, &visitors[2].ticket, "b", 0));
  g_assert_false (teesql_admission_admit (admission, &visitors[3].ticket, "b", 0));
  teesql_admission_leave (admission, &visitors[2].ticket);
  g_assert_cmpuint (visitors[1].granted, ==, 0); /* still full, and holds nobody up */
  g_assert_cmpuint (visitors[3].granted, ==, 1);
  teesql_admission_set_parting (admission, &visitors[0].ticket);
  g_assert_cmpuint (visitors[1].granted, ==, 1);
  g_assert_cmpint (teesql_status_get_gauge (status, TEESQL_GAUGE_SESSIONS), ==, 2);
  leave_all (admission, visitors, 4);
  g_assert_cmpint (teesql_status_get_gauge (status, TEESQL_GAUGE_SESSIONS), ==, 0);
}

static void
test_left_while_waiting (void)
{
  g_autoptr (TeesqlStatus) status = teesql_status_new ();
  g_autoptr (TeesqlAdmission) admission = admission_new (status, 100, 100, 1);
  Visitor visitors[3];

  for (guint i = 0; i < 3; i++)
    {
      g_assert_true (enter (admission, &visitors[i], "10.0.0.1"));
      teesql_admission_set_shaken (admission, &visitors[i].ticket);
      g_assert_cmpint (teesql_admission_admit (admission, &visitors[i].ticket, "a", 0), ==, i == 0);
    }
  teesql_admission_set_parting (admission, &visitors[1].ticket);
  teesql_admission_leave (admission, &visitors[0].ticket);
  g_assert_cmpuint (visitors[1].granted, ==, 0);
  g_assert_cmpuint (visitors[2].granted, ==, 1);
  leave_all (admission, visitors, 3);
}

static void
test_raised (void)
{
  g_autoptr (TeesqlStatus) status = teesql_status_new ();
  g_autoptr (TeesqlAdmission) admission = admission_new (status, 100, 100, 1);
  Visitor visitors[3];

  for (guint i = 0; i < 3; i++)
    {
      g_assert_true (enter (admission, &visitors[i], "10.0.0.1"));
      teesql_admission_set_shaken (admission, &visitors[i].ticket);
      g_assert_cmpint (teesql_admission_admit (admission, &visitors[i].ticket, "a", 0), ==, i == 0);
    }
  teesql_admission_set_limits (admission, 100, 100, 2);
  g_assert_cmpuint (visitors[1].granted, ==, 1);
  g_assert_cmpuint (visitors[2].granted, ==, 0);
  leave_all (admission, visitors, 3);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/proxy/admission/sheds-the-oldest-that-has-not-finished-tls", test_total);
  g_test_add_func ("/proxy/admission/sheds-of-the-crowded-address-first", test_per_address);
  g_test_add_func ("/proxy/admission/grants-a-place-to-the-first-that-fits", test_waiting);
  g_test_add_func ("/proxy/admission/passes-over-who-left-while-waiting", test_left_while_waiting);
  g_test_add_func ("/proxy/admission/room-that-a-reload-makes-is-granted-at-once", test_raised);
  return g_test_run ();
}

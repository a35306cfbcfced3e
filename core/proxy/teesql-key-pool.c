#include "proxy/teesql-key-pool.h"

struct _TeesqlKeyPool
{
  GThreadPool *threads;
};

typedef struct
{
  TeesqlWorker *worker;
  TeesqlKeyPoolFunc work;
  TeesqlKeyPoolFunc done;
  gpointer job;
} Work;

static void
pool_work (gpointer data, gpointer user_data)
{
  Work *work = data;

  work->work (work->job);
  teesql_worker_post (work->worker, work->done, work->job);
  g_free (work);
}

TeesqlKeyPool *
teesql_key_pool_new (guint n_threads)
{
  TeesqlKeyPool *self = g_new0 (TeesqlKeyPool, 1);

  self->threads = g_thread_pool_new (pool_work, self, (int) MAX (n_threads, 1), FALSE, NULL); /* cannot fail unless exclusive */
  return self;
}

void
teesql_key_pool_free (TeesqlKeyPool *self)
{
  g_thread_pool_free (self->threads, FALSE, TRUE);
  g_free (self);
}

void
teesql_key_pool_run (TeesqlKeyPool *self, TeesqlWorker *worker, TeesqlKeyPoolFunc work, TeesqlKeyPoolFunc done, gpointer job)
{
  Work *item = g_new (Work, 1);

  *item = (Work){ .worker = worker, .work = work, .done = done, .job = job };
  g_thread_pool_push (self->threads, item, NULL);
}

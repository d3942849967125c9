/*
 * Lets pyslurm 25.11 compile against Slurm 26.05, unpatched.  It is put before every source by `gcc -include` (see
 * `provision`), so it may only define things: Slurm's own headers come after it.
 *
 * When to remove: once a pyslurm 26.05 is published.  Then drop this file, the version check and the borrowed
 * slurm_version.h from `provision`, and install that pyslurm from the index as it is.
 *
 * What it does not cover: calls of pyslurm that use Slurm's internal message structs, which moved between the two
 * releases.  Job.get_batch_script() is the one we know of: never call it.
 */

#ifndef TSM_SLURM_BRIDGE_PYSLURM_COMPAT_H
#define TSM_SLURM_BRIDGE_PYSLURM_COMPAT_H

/*
 * Since 26.05 slurm_load_job(), slurm_kill_job(), slurm_suspend(), slurm_resume(), slurm_requeue(), slurm_notify_job(),
 * slurm_pid2jobid() and others take a slurm_step_id_t where they took a job id.  Slurm's header brings wrappers for
 * callers of the old kind, which this switches on.
 */
#define SLURM_BACKWARD_COMPAT 1

/* Renamed in 26.05. */
#define slurm_free_ctl_conf slurm_free_conf

/*
 * Gone in 26.05, which gave its number to ESLURM_MAX_JOB_COUNT.  pyslurm only exports the constant; so it gets a number
 * that no controller answers with, lest a full job table be taken for this.
 */
#define ESLURM_ERROR_ON_DESC_TO_RECORD_COPY (-1)

#endif

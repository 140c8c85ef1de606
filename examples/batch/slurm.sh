#!/bin/bash
# Builds a list's images as an array job, a part of the list for each task. From where the outputs go:
#   sbatch --array=0-7 slurm.sh images.list [OPTION...]
# A part's exit code is its task's (sacct, scontrol show job). What may go well on another try (9: the
# network) is put back into the queue, three times; what is up to date by then is skipped.
#SBATCH --job-name=layerpress
#SBATCH --cpus-per-task=2
#SBATCH --mem=1G
#SBATCH --output=%x-%A-%a.log
layerpress build --list "$1" --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" "${@:2}"
code=$?
if [ "$code" = 9 ] && [ "${SLURM_RESTART_COUNT:-0}" -lt 3 ]; then
    scontrol requeue "$SLURM_JOB_ID" && sleep 60 # until it is taken from here
fi
exit "$code"

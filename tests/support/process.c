/* SPDX-License-Identifier: BSD-3-Clause */
#include "process.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Returns whether a process of /proc is a live child of this parent and has this name. */
static bool is_child(const char *pid, pid_t parent, const char *name)
{
    char path[300], line[512];
    snprintf(path, sizeof path, "/proc/%s/stat", pid);
    FILE *file = fopen(path, "re");
    bool read = file && fgets(line, sizeof line, file);
    if (file)
        fclose(file);
    char state, *comm = read ? strchr(line, '(') : NULL, *end = comm ? strrchr(comm, ')') : NULL;
    int parent_found;
    if (!end || sscanf(end + 1, " %c %d", &state, &parent_found) != 2)
        return false;
    *end = '\0';
    return parent_found == parent && state != 'Z' && state != 'X' && (!name || strcmp(comm + 1, name) == 0);
}

pid_t process_child(pid_t parent, const char *name)
{
    pid_t found = 0;
    DIR *directory = opendir("/proc");
    for (struct dirent *entry; directory && !found && (entry = readdir(directory));)
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && is_child(entry->d_name, parent, name))
            found = (pid_t)atoi(entry->d_name);
    if (directory)
        closedir(directory);
    return found;
}

pid_t process_beside_us(const char *name)
{
    return process_child(getppid(), name);
}

/* Returns 0 if the folder cannot be opened. */
static unsigned count_entries(const struct process *process, const char *folder)
{
    char path[64];
    unsigned count = 0;
    snprintf(path, sizeof path, "/proc/%d/%s", (int)process->pid, folder);
    DIR *directory = opendir(path);
    for (struct dirent *entry; directory && (entry = readdir(directory));)
        count += entry->d_name[0] != '.';
    if (directory)
        closedir(directory);
    return count;
}

bool process_look(struct process *process)
{
    char path[64], line[256];
    process->memory_kib = -1;
    snprintf(path, sizeof path, "/proc/%d/status", (int)process->pid);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file))
        sscanf(line, "RssAnon: %ld kB", &process->memory_kib);
    if (file)
        fclose(file);
    process->descriptors = count_entries(process, "fd");
    process->threads = count_entries(process, "task");
    return process->memory_kib >= 0 && process->descriptors > 0;
}

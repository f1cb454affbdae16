#include "process.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

pid_t process_beside_us(const char *name)
{
    char path[64], comm[32];
    int parent = (int)getppid(), pid, found = 0;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", parent, parent);
    FILE *children = fopen(path, "re");
    while (children && fscanf(children, "%d", &pid) == 1) {
        snprintf(path, sizeof path, "/proc/%d/comm", pid);
        FILE *file = fopen(path, "re");
        if (file && fgets(comm, sizeof comm, file) && strncmp(comm, name, strlen(name)) == 0 &&
            comm[strlen(name)] == '\n')
            found = pid;
        if (file)
            fclose(file);
    }
    if (children)
        fclose(children);
    return found;
}

/* 0 if it cannot be opened. */
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

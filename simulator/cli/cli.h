/* SPDX-License-Identifier: BSD-3-Clause */
/* What the subcommands of cardrig share: one function for each, and how they end. */
#ifndef CARDRIG_CLI_CLI_H
#define CARDRIG_CLI_CLI_H

/* Exit statuses. Those of `cardrig run` are as with env(1) and timeout(1), so that they are seldom taken for
 * the command's own. */
enum {
    EXIT_OK = 0,
    EXIT_FAILED = 1,           /* what was asked for could not be done */
    EXIT_USAGE = 2,            /* the command line is wrong */
    EXIT_RIG_FAILED = 125,     /* run: the rig could not be set up, or has died */
    EXIT_CANNOT_EXECUTE = 126, /* run: the command is there, but does not run */
    EXIT_NOT_FOUND = 127,      /* run: there is no such command */
};

/* argv[0] is "cardrig" and the subcommand's name. Each returns an exit status. */
int run_main(int argc, char **argv);
int serve_main(int argc, char **argv);
int insert_main(int argc, char **argv);
int remove_main(int argc, char **argv);
int swap_main(int argc, char **argv);
int plug_main(int argc, char **argv);
int unplug_main(int argc, char **argv);
int fault_main(int argc, char **argv);
int service_main(int argc, char **argv);
int status_main(int argc, char **argv);
int check_main(int argc, char **argv);
int atr_main(int argc, char **argv);
int doctor_main(int argc, char **argv);

/* Names `cardrig doctor` to who has a rig that could not be set up. */
void doctor_hint(void);

#endif

#ifndef SIREN_H
#define SIREN_H

#define SIREN_HORNS 3

/* What the control room asks of the siren. */
struct siren_request {
    int seconds;
    char officer[24];
};

/* Returns the sum of the duties, in percent. */
int siren_sound(int seconds);

const char *siren_state_name(int horn);

/* Calls back when the last horn is quiet: event SN-30. */
void siren_on_quiet(void (*called)(int horn));

#endif

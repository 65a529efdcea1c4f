/* Stands in for the core of Arduino: as much of it as the sketches use. */
#ifndef ARDUINO_H
#define ARDUINO_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

class SerialPort {
public:
  void begin(unsigned long) {}
  void print(const char *text) { fputs(text, stdout); }
  void println(const char *text = "") { puts(text); }
};

extern SerialPort Serial;

/* Only what went wrong waits. */
static inline void delay(unsigned long) { exit(1); }

#endif

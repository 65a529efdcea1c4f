// Saves the state of the network, writes a line, goes back, and writes the same line again. Keep the
// snapshot in EEPROM or flash, and the text goes on after a loss of power, or on another board.
#include <lstm.h>

#include "model.h"

static lstm_model model;
static lstm_generator generator;
static uint32_t workspace[1024];
static uint8_t snapshot[1024];
static size_t snapshot_bytes;

static void stop(const lstm_error *error) {
  char line[160];
  lstm_error_text(error, line, sizeof line);
  for (;;) {
    Serial.print("error: ");
    Serial.println(line);
    delay(5000);
  }
}

static void write_line() {
  uint8_t token;
  char text[LSTM_CHARACTER_BYTES];
  for (int i = 0; i < 60; i++) {
    lstm_generator_next(&generator, &token);
    lstm_model_decode(&model, token, text, sizeof text);
    Serial.print(text);
  }
  Serial.println();
}

void setup() {
  lstm_error error;
  Serial.begin(115200);
  if (lstm_model_init(&model, model_file, sizeof model_file, &error) != LSTM_OK
      || lstm_generator_init(&generator, &model, workspace, sizeof workspace / 4, 1, &error) != LSTM_OK) {
    stop(&error);
  }
  lstm_generator_snapshot_bytes(&generator, &snapshot_bytes);
}

void loop() {
  lstm_error error;
  if (snapshot_bytes > sizeof snapshot) {
    Serial.println("error: the snapshot is larger than its room");
    delay(5000);
    return;
  }
  if (lstm_generator_save(&generator, snapshot, snapshot_bytes, &error) != LSTM_OK) {
    stop(&error);
  }
  write_line();
  if (lstm_generator_restore(&generator, snapshot, snapshot_bytes, &error) != LSTM_OK) {
    stop(&error);
  }
  write_line();
}

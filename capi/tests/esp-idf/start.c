/* As ESP-IDF starts a program: the C library's own start calls main, which is the example's. */
void app_main(void);

/* It is linked, though the C library starts the example first. */
void (*const start)(void) = app_main;

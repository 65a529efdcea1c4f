/* ESP-IDF's name for the start of a program. */
int main(void);
void app_main(void);

void app_main(void)
{
    main();
}

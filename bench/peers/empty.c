/* The least that a C program takes from its beginning to its end. */
int main(void) { return 0; }

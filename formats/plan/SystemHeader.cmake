# Copies the header IN to OUT, and adds a first line that makes it a system
# header.
file(READ "${IN}" text)
file(WRITE "${OUT}" "#pragma GCC system_header\n${text}")

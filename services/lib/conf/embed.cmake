# cmake -DIN=file -DOUT=file.c -DNAME=symbol -P embed.cmake: a text file as a NUL-terminated C array.
file(READ ${IN} HEX HEX)
string(REGEX REPLACE "(..)" "0x\\1," HEX "${HEX}")
file(WRITE ${OUT} "extern const char ${NAME}[];\nconst char ${NAME}[] = { ${HEX} 0 };\n")

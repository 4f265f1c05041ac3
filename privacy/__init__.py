"""The mathematics: values in, values out. Never imports Django."""

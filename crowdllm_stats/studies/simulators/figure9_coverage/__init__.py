"""Whether the prediction-powered interval covers in the setting of Figure 9."""

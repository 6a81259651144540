"""GLM-4.1V: frames are runs separated by time stamps, and a video uses the placeholder of an image."""

from lmm_integration.families import Family

FAMILY = Family(video="run", video_token="image_token_id")
